"""Uploaded files in a bucket of S3, or of a store that speaks its language."""

from typing import Any

from botocore.config import Config

# The product hands out none: downloads pass by it. What an operator makes from the admin's shell ends soon.
LINK_SECONDS = 300


def s3_storage(
    *,
    bucket: str,
    endpoint_url: str | None,
    region: str | None,
    access_key: str | None,
    secret_key: str | None,
    encryption: str,
) -> dict[str, Any]:
    """The entry of Django's STORAGES. Objects are as private as the bucket, whose policy is the operator's.

    A file of more than 8 MB is sent in parts, each with a checksum that the store compares.
    """
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": endpoint_url,
            "region_name": region,
            "access_key": access_key,
            "secret_key": secret_key,
            # Buckets that know no ACLs, as new ones do, refuse any.
            "default_acl": None,
            "object_parameters": {"ServerSideEncryption": encryption} if encryption else {},
            "file_overwrite": False,
            "querystring_expire": LINK_SECONDS,
            "client_config": Config(
                # The backend signs with version 2 unless told, which most regions refuse.
                signature_version="s3v4",
                # A store that is away is found out before whoever uploads gives up.
                connect_timeout=3,
                read_timeout=30,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
        },
    }
