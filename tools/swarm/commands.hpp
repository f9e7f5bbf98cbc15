#pragma once

/// The commands of the `swarm` program, one file each. argv[0] is the command's name.
namespace swarm::tools {

int run_keygen(int argc, const char* const* argv);
int run_show(int argc, const char* const* argv);
int run_up(int argc, const char* const* argv);
int run_peer(int argc, const char* const* argv);
int run_train(int argc, const char* const* argv);
int run_plan(int argc, const char* const* argv);
int run_status(int argc, const char* const* argv);
int run_doctor(int argc, const char* const* argv);
int run_stop(int argc, const char* const* argv);

}  // namespace swarm::tools
