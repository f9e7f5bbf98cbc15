#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/stage/disk.hpp"
#include "actors/stage/state_file.hpp"
#include "actors/stage/state_store.hpp"
#include "actors/stage/state_transfer.hpp"

namespace swarm::stage {

struct file_store_options {
  /// Of this worker alone; made if it is not there. Held by one store at a time.
  std::string directory;
  file_identity owner;
  /// put() returns when the bytes are on the disk. Otherwise it hands them to a thread and returns:
  /// a process that dies may then have promised a sum or a version that is not on the disk.
  bool durable = true;
  uint64_t file_bytes_max = state_bytes_max;
  /// Hears a sentence about each file that is not taken, and each word() once; from whichever
  /// thread met it. Optional.
  std::function<void(const std::string&)> complain;
  /// Null: POSIX calls. Reading does not go through it.
  std::shared_ptr<disk> where;
};

/// Survives the process: `state-VERSION.kept` for each of the last two versions and of the pinned
/// one, `sum.kept`, and `pinned-VERSION` where that is not one of the two.
///
/// Each is written to `*.part`, synced, renamed, and the directory synced, so that whatever moment
/// the process or the machine dies at, the last one is whole under its name, or the one before it
/// is. A file that is torn, damaged, too large or somebody else's is complained of and counts as
/// absent; it is read when it is asked for, and only then.
///
/// What a return of put() is worth: durable, that a later life of the process finds it, as long as
/// word() is not withdrawn. A value that could not be written stays in memory, for this process,
/// and is tried again with the next one; the last good state on the disk stays, too, whatever
/// fails. Where room is short, the older of two versions gives it. Not durable, that this process
/// finds it. Then the newest of each kind is written, one that it has overtaken may never be; a sum
/// never before the state that it belongs to. The destructor writes what is left.
///
/// One worker at a time may use it, and readers beside it: it is thread-safe.
///
/// Throws std::runtime_error with a sentence when the directory cannot be used.
std::shared_ptr<state_store> open_file_state_store(file_store_options options);

}  // namespace swarm::stage
