"""Many hosts: each makes its key and request itself, they are signed here, put in place there and audited from here.

The collection in `opensslgen/ansible` is the face of this for Ansible; nothing here but `action` knows of that.
"""
