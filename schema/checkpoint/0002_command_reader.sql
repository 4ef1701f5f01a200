-- How far the command log has been folded, and from which log, is part of its answer.

GRANT SELECT (projection, position) ON keepsake.checkpoint TO keepsake_command_reader;
GRANT SELECT (log_id) ON keepsake.log TO keepsake_command_reader;
