// This process as a rank: one thread that alone speaks to MPI (so that MPI_THREAD_FUNNELED is enough)
// and makes progress on all calls while JavaScript computes.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "group.h"
#include "inquiry.h"

namespace tessera {

struct Options {
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
  /** Starts the thread and MPI. Throws where MPI does not start. */
  explicit Engine(Options options);

  const WorldFacts& facts() const { return facts_; }

  /** Makes the communicator of a group; all its ranks call it. Blocks. */
  std::shared_ptr<Group> makeGroup(const std::string& name, const std::vector<int>& ranks);
  void post(const std::shared_ptr<Call>& call);
  /** Blocks until the call has ended; throws its error. */
  void wait(Call& call);
  bool isDone(Call& call);
  /** Ends the job on all ranks; does not return. */
  [[noreturn]] void abort(int code);
  /** Waits for all ranks, then ends MPI and the thread. */
  void close();

  Clock::duration limit() const { return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.limitSeconds)); }

 private:
  /** Runs `task` on the communication thread and waits for it; throws what it throws. */
  void onThread(std::function<void()> task);
  void run();
  void start();
  /** One round over all calls. Returns whether any of them went on. */
  bool progress();
  bool advance(const std::shared_ptr<Call>& call);
  void finish(Call& call, std::string error);
  std::string where(const Call& call) const;
  void rest(int idleRounds, bool busy);

  Options options_;
  WorldFacts facts_;
  std::map<uint64_t, std::shared_ptr<Group>> groups_;
  std::vector<std::shared_ptr<Call>> messages_;
  std::unique_ptr<Inquiry> inquiry_;

  std::mutex mutex_;
  std::condition_variable posted_, ended_;
  std::vector<std::shared_ptr<Call>> inbox_;
  std::vector<std::function<void()>> tasks_;
  /** JavaScript threads that wait now: the thread then spins, for nothing else wants the core. */
  int waiting_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tessera
