#!/bin/sh
openssl genrsa 1024
echo "not closed
# unreadable: 3 line 3
