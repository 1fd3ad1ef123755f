"""Certificates, configs, scripts, pki folders and live servers, judged by the rules.

Imports batch for its processes, and what is below it.
"""
