A stand-in: this is not a script; it just says DEFAULT_SERVER_CERT_VALIDITY=2555 and [ v3_req ].
