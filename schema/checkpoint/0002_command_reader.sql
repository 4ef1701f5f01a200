-- How far the command log has been folded is part of its answer.

GRANT SELECT (projection, position) ON keepsake.checkpoint TO keepsake_command_reader;
