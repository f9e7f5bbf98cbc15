#pragma once

#include <string>

namespace swarm::tools {

/// First of all in a program. Whoever starts it may have closed descriptors 0 to 2, and the next
/// file that is opened would become standard output: /dev/null is opened there instead, and writing
/// to a standard output that was closed goes on failing. A reader that goes away is a failed write
/// from here on, not the end of the process. Does nothing the second time.
void open_standard_streams();

/// Writes out what standard output still holds. The exit code of a program whose output is its
/// result: `exit_code` itself, or, when something could not be written since the last call, 1 and a
/// sentence on standard error.
int checked_output(const std::string& program, int exit_code);

/// The same for a program whose output is only company: nothing is said.
void forget_output();

/// Some of standard output could not be written since the last call of the two above.
bool output_failed();

}  // namespace swarm::tools
