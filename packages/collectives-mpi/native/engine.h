// This process as a rank. One thread at a time makes progress on all calls: the one of JavaScript
// while it waits for a call, and a thread of the engine's own while JavaScript computes. So MPI
// needs to be no more than MPI_THREAD_SERIALIZED, and a call that is waited for crosses no thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "group.h"
#include "inquiry.h"

namespace tessera {

struct Options {
  /** What messages call this process before MPI has said its rank. */
  std::string who;
  /** Seconds that a call may take. */
  double limitSeconds = 600;
  /** Whether every collective is compared among ranks first. */
  bool compares = true;
};

struct WorldFacts {
  int rank = 0, size = 1;
  std::vector<std::string> hosts;
  std::string library;
};

class Engine {
 public:
  /**
   * Starts MPI and the thread. Throws where MPI does not start; ends the process where it hangs.
   */
  explicit Engine(Options options);

  const WorldFacts& facts() const { return facts_; }

  /** Meets the other ranks of a group; all of them call it. Blocks. Throws as any call does. */
  std::shared_ptr<Group> makeGroup(const std::string& name, const std::vector<int>& ranks);
  void post(const std::shared_ptr<Call>& call);
  /** Blocks until the call has ended; throws its error. */
  void wait(Call& call);
  /** Ends the job on all ranks; does not return. */
  [[noreturn]] void abort(int code);
  /** Ends the thread, waits for all ranks, ends MPI. */
  void close();

  Clock::duration limit() const {
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(options_.limitSeconds));
  }

 private:
  /** Holds the engine; the thread stands back from when one is asked for. */
  class Claim;

  void start();
  void run();
  /** One step of each call that is under way. Returns whether any of them went on. */
  bool round();
  bool advance(const std::shared_ptr<Call>& call);
  void finish(Call& call, std::string error);
  std::string where(const Call& call) const;
  std::string why(const Call& call) const;
  bool isBusy() const;

  Options options_;
  WorldFacts facts_;
  bool isCrowded_ = false;
  /** The only communicator of calls: groups differ by their tags. */
  MPI_Comm communicator_ = MPI_COMM_NULL;
  /** Contexts that this MPI's tags have room for, and the first that no group of this rank has. */
  int contexts_ = 0, nextContext_ = 1;
  std::map<uint64_t, std::shared_ptr<Group>> groups_;
  std::vector<std::shared_ptr<Call>> messages_;
  std::unique_ptr<Inquiry> inquiry_;

  /** Guards all of the above, and MPI. */
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> claims_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tessera
