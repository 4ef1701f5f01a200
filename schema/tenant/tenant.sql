-- The customers of the platform.

CREATE TABLE tenant (
  tenant            text PRIMARY KEY,
  pp                smallint NOT NULL,
  name              text NOT NULL,
  provisioned_at    timestamptz NOT NULL,
  -- Since when nothing is written or read for it, and why; both NULL while it is active.
  suspended_at      timestamptz,
  suspension_reason text,
  -- Requests a second over HTTP that were agreed for one process; 0 when none were.
  requests_per_s    bigint NOT NULL DEFAULT 0,
  position          bigint NOT NULL,
  CHECK ((suspended_at IS NULL) = (suspension_reason IS NULL))
);
