#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

openssl req -x509 -days 2555
