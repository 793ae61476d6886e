"""The buckets: documents, bank inbox, exports, archive, and where their access logs go."""

from __future__ import annotations

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.nag import acknowledge
from infra.settings import StageSettings

#: Eleven years behind the current one: the longest term that the law of any country of the table asks for.
_LONGEST_DETAIL = Duration.days(12 * 366)


def bucket_name(settings: StageSettings, name: str) -> str:
    """The physical name: unique in the world by account and region."""
    return f"{settings.prefix}-{name}-{Aws.ACCOUNT_ID}-{settings.region}"


class Buckets(Construct):
    """Blocked, TLS only, versioned, encrypted with the stage's key, logged; some under Object Lock."""

    def __init__(self, scope: Construct, construct_id: str, settings: StageSettings, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._key = key
        self.logs = self._log_bucket()
        self.by_name: dict[str, s3.Bucket] = {
            # Invoices and their attachments: kept ten years in production, whatever anyone does.
            "documents": self._bucket("documents", lock=True, rules=[self._to_cheaper()]),
            # Bank files come by event (and are listed hourly, rules.md 10); the originals stay.
            "inbox": self._bucket("inbox", lock=False, rules=self._inbox_rules(), events=True),
            # Payment and accounting files.
            "exports": self._bucket("exports", lock=False, rules=[self._to_cheaper(), *self._drawn_on_request()]),
            # What changed in the tables, for the way forward after a restore; forgotten after its window.
            "changes": self._bucket("changes", lock=False, rules=[self._forgotten_after_the_window()]),
            # Copies of ledger and audit entries, lock manifests and daily digests.
            "archive": self._bucket("archive", lock=True, rules=[self._to_cheaper()]),
        }

    def _common(self) -> dict[str, object]:
        return {
            "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
            "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            "enforce_ssl": True,
            "minimum_tls_version": 1.2,
            "removal_policy": RemovalPolicy.RETAIN if self._settings.keep_data else RemovalPolicy.DESTROY,
        }

    def _log_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Logs",
            bucket_name=bucket_name(self._settings, "access-logs"),
            # S3 delivers access logs only to buckets with its own encryption.
            encryption=s3.BucketEncryption.S3_MANAGED,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="forget",
                    expiration=Duration.days(400),
                    noncurrent_version_expiration=Duration.days(1),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            **self._common(),  # type: ignore[arg-type]
        )
        acknowledge(bucket, S1="It holds the access logs of the others; logging itself would never end.")
        return bucket

    def _inbox_rules(self) -> list[s3.LifecycleRule]:
        """Bank files stay; partners' own files of sessions name drivers and go with the longest term of detail."""
        named = {"forget-sessions-posted": "cdrs/", "forget-lists-compared": "compare/"}
        detail = [
            s3.LifecycleRule(
                id=name, prefix=prefix, expiration=_LONGEST_DETAIL, noncurrent_version_expiration=Duration.days(1)
            )
            for name, prefix in named.items()
        ]
        return [self._to_cheaper(), self._posted_once(), *detail]

    @staticmethod
    def _posted_once() -> s3.LifecycleRule:
        # What was taken of files for disputes lies in the exports; what was refused is nobody's.
        return s3.LifecycleRule(
            id="forget-posted",
            prefix="disputes/",
            expiration=Duration.days(30),
            noncurrent_version_expiration=Duration.days(1),
        )

    @staticmethod
    def _to_cheaper() -> s3.LifecycleRule:
        return s3.LifecycleRule(
            id="cheaper-when-old",
            transitions=[
                s3.Transition(storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=Duration.days(90))
            ],
            noncurrent_version_expiration=Duration.days(90),
            abort_incomplete_multipart_upload_after=Duration.days(7),
        )

    @staticmethod
    def _forgotten_after_the_window() -> s3.LifecycleRule:
        return s3.LifecycleRule(
            id="forget",
            expiration=Duration.days(40),
            noncurrent_version_expiration=Duration.days(1),
            abort_incomplete_multipart_upload_after=Duration.days(1),
        )

    @staticmethod
    def _drawn_on_request() -> list[s3.LifecycleRule]:
        """What is drawn anew for whoever asks (packages, rehearsal), and what a step puts aside between two calls."""
        named = {
            "drawn-on-request": "windows/",
            "rehearsed": "preview/",
            "put-aside": "progress/",
            "of-data-subjects": "data-requests/",
        }
        return [
            s3.LifecycleRule(
                id=name, prefix=prefix, expiration=Duration.days(30), noncurrent_version_expiration=Duration.days(1)
            )
            for name, prefix in named.items()
        ]

    def _bucket(self, name: str, *, lock: bool, rules: list[s3.LifecycleRule], events: bool = False) -> s3.Bucket:
        days = Duration.days(self._settings.object_lock_days)
        retention = (
            s3.ObjectLockRetention.compliance(days)
            if self._settings.object_lock_mode == "COMPLIANCE"
            else s3.ObjectLockRetention.governance(days)
        )
        bucket = s3.Bucket(
            self,
            name.title(),
            bucket_name=bucket_name(self._settings, name),
            versioned=True,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            object_lock_enabled=True if lock else None,
            object_lock_default_retention=retention if lock else None,
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix=f"{name}/",
            lifecycle_rules=rules,
            **self._common(),  # type: ignore[arg-type]
        )
        if events:
            # Written as a property: the high-level switch would add a helper function with wide rights.
            resource = bucket.node.default_child
            assert isinstance(resource, s3.CfnBucket)
            resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
            )
        return bucket
