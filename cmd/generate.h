/* SPDX-License-Identifier: MIT */
/* What the build makes from the option tables and lists; each writes to standard output. */
#pragma once

/* The file at path, with the lines @OPTIONS@, @OPTIONS TOOL@, @COUNTERS@ and @GOR@ filled in.
 * Returns an exit status. */
int generate_man(const char *path);
/* gor's flags, for tests: name, relation, gor's default, ours, is it built, note, help;
 * with tabs between. */
void generate_gor(void);
