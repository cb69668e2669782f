// When time is up: asking the other ranks how far they have come. Their communication threads answer
// even where their JavaScript hangs; a rank that is gone does not answer.
#pragma once

#include <functional>
#include <optional>

#include "group.h"

namespace tessera {

class Inquiry {
 public:
  /** `called` tells how many collectives of group `key` this rank has called. */
  Inquiry(MPI_Comm control, int size, std::function<uint64_t(uint64_t key)> called);
  ~Inquiry();

  /** Answers what others have asked, and notes what they answered. */
  void serve();
  /** Begins to ask the ranks of `group`. */
  void ask(const Group& group);
  /** Whether all of them have answered, or had time enough to. */
  bool isOver(const Group& group) const;
  /** What was learnt about collective `number`: who has called it, who has not, who is silent. */
  std::string findings(const Group& group, uint64_t number, const std::vector<std::string>& hosts) const;
  bool isAsking() const { return asked_.has_value(); }

 private:
  struct Letter {
    uint64_t key, called;
    int32_t isAnswer;
  };
  void listen();
  void write(int to, Letter letter);

  MPI_Comm control_;
  std::function<uint64_t(uint64_t)> called_;
  Letter heard_{};
  MPI_Request listening_ = MPI_REQUEST_NULL;
  std::vector<std::optional<uint64_t>> answers_;
  std::optional<Clock::time_point> asked_;
  /** Letters on their way, with the memory they are sent from. */
  std::vector<std::pair<std::unique_ptr<Letter>, MPI_Request>> leaving_;
};

}  // namespace tessera
