#!/bin/sh
# A request has no validity: -days counts for nothing there.
openssl req -new -key a.key -days 3650 -out a.csr
