-- The customers of the platform.

CREATE TABLE tenant (
  tenant         text PRIMARY KEY,
  pp             smallint NOT NULL,
  name           text NOT NULL,
  provisioned_at timestamptz NOT NULL,
  position       bigint NOT NULL
);
