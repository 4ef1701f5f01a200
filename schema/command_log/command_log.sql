-- Which commit carried a command out. command-service alone asks, when what it remembers of an owner is not sure.

CREATE TABLE command_log (
  tenant   text NOT NULL,
  -- A guest, or `tenant`.
  owner    text NOT NULL,
  -- Hash of the command's id; the commit has the id itself.
  command  bigint NOT NULL,
  position bigint NOT NULL,
  pp       smallint NOT NULL,
  PRIMARY KEY (tenant, owner, command, position)
);

-- All tenants: whose commands are looked up is the service's own to know.
CREATE POLICY command_reader ON command_log FOR SELECT TO keepsake_command_reader USING (true);
GRANT SELECT ON command_log TO keepsake_command_reader;
