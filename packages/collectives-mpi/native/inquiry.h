// When time is up: asking the other ranks how far they have come. Their engines answer even where
// their JavaScript hangs; a rank that is gone does not answer.
#pragma once

#include <functional>
#include <optional>

#include "group.h"

namespace tessera {

class Inquiry {
 public:
  /**
   * `called` tells 1 + how many collectives of group `key` this rank has called; 0 where it has no
   * such group.
   */
  Inquiry(MPI_Comm control, int size, std::function<uint64_t(uint64_t key)> called);
  ~Inquiry();

  /** Answers what others have asked, and notes what they answered. */
  void serve();
  /**
   * What the other ranks of a call say of it: who has called it, who has not, who is silent. Asks
   * them first, one call at a time; nothing until they have answered, or had time enough to.
   */
  std::optional<std::string> about(const Call& call, const std::vector<std::string>& hosts);
  /** To be told of each call that has ended. */
  void forget(const Call& call);

 private:
  struct Letter {
    uint64_t key, called;
    int32_t isAnswer;
  };
  void listen();
  void write(int to, Letter letter);
  void ask(const Call& call);
  std::string findings(const std::vector<std::string>& hosts) const;

  MPI_Comm control_;
  std::function<uint64_t(uint64_t)> called_;
  Letter heard_{};
  MPI_Request listening_ = MPI_REQUEST_NULL;
  /** What is asked about, since when, whom, and what they have answered, by rank of the world. */
  const Call* subject_ = nullptr;
  Clock::time_point asked_{};
  std::vector<int> others_;
  std::vector<std::optional<uint64_t>> answers_;
  /** Letters on their way, with the memory they are sent from. */
  std::vector<std::pair<std::unique_ptr<Letter>, MPI_Request>> leaving_;
};

}  // namespace tessera
