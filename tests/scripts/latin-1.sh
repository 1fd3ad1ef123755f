#!/bin/sh
echo café
openssl genrsa 1024 # ÿ
# expect: 3 script-small-key
