// See inquiry.h.
#include "inquiry.h"

#include <algorithm>

namespace tessera {
namespace {

/** A rank whose communication thread lives answers within milliseconds. */
constexpr auto kPatience = std::chrono::seconds(2);

std::string list(const char* what, const std::vector<int>& ranks,
                 const std::vector<std::string>& hosts) {
  constexpr size_t kMost = 8;
  if (ranks.empty()) return "";
  std::string text = "; ";
  for (size_t i = 0; i < std::min(kMost, ranks.size()); ++i) {
    text += (i == 0 ? "" : ", ") + nameRank(hosts, ranks[i]);
  }
  if (ranks.size() > kMost) text += " and " + std::to_string(ranks.size() - kMost) + " more";
  return text + " " + what;
}

}  // namespace

Inquiry::Inquiry(MPI_Comm control, int size, std::function<uint64_t(uint64_t)> called)
    : control_(control), called_(std::move(called)), answers_(static_cast<size_t>(size)) {
  listen();
}

Inquiry::~Inquiry() {
  MPI_Cancel(&listening_);
  MPI_Wait(&listening_, MPI_STATUS_IGNORE);
  MPI_Comm_free(&control_);
}

void Inquiry::listen() {
  check(MPI_Irecv(&heard_, sizeof(heard_), MPI_BYTE, MPI_ANY_SOURCE, 0, control_, &listening_),
        "MPI_Irecv");
}

void Inquiry::write(int to, Letter letter) {
  auto& [memory, request] =
      leaving_.emplace_back(std::make_unique<Letter>(letter), MPI_REQUEST_NULL);
  check(MPI_Isend(memory.get(), sizeof(Letter), MPI_BYTE, to, 0, control_, &request), "MPI_Isend");
}

void Inquiry::serve() {
  while (listening_ != MPI_REQUEST_NULL) {
    int arrived = 0;
    MPI_Status status;
    check(MPI_Test(&listening_, &arrived, &status), "MPI_Test");
    if (!arrived) break;
    const Letter letter = heard_;
    listen();
    if (letter.isAnswer) {
      const bool isFresh = subject_ != nullptr && subject_->group.key == letter.key;
      if (isFresh) answers_[static_cast<size_t>(status.MPI_SOURCE)] = letter.called;
    } else {
      write(status.MPI_SOURCE, {letter.key, called_(letter.key), 1});
    }
  }
  std::erase_if(leaving_, [](auto& letter) {
    int left = 0;
    MPI_Test(&letter.second, &left, MPI_STATUS_IGNORE);
    return left != 0;
  });
}

void Inquiry::ask(const Call& call) {
  const Group& group = call.group;
  subject_ = &call;
  asked_ = Clock::now();
  others_ =
      call.isMessage() ? std::vector{group.ranks[static_cast<size_t>(call.peer)]} : group.ranks;
  for (const int rank : others_) {
    answers_[static_cast<size_t>(rank)].reset();
    if (rank == group.ranks[static_cast<size_t>(group.rank)]) {
      answers_[static_cast<size_t>(rank)] = group.called + 1;
    } else {
      write(rank, {group.key, 0, 0});
    }
  }
}

std::optional<std::string> Inquiry::about(const Call& call, const std::vector<std::string>& hosts) {
  if (subject_ == nullptr) ask(call);
  if (subject_ != &call) return std::nullopt;
  const bool haveAnswered = std::all_of(others_.begin(), others_.end(), [&](int rank) {
    return answers_[static_cast<size_t>(rank)].has_value();
  });
  if (!haveAnswered && Clock::now() - asked_ < kPatience) return std::nullopt;
  return findings(hosts);
}

void Inquiry::forget(const Call& call) {
  if (subject_ == &call) subject_ = nullptr;
}

std::string Inquiry::findings(const std::vector<std::string>& hosts) const {
  const Kind kind = subject_->signature.kind;
  std::vector<int> present, late, silent;
  for (const int rank : others_) {
    const auto& answer = answers_[static_cast<size_t>(rank)];
    const bool came = !subject_->isMessage() && answer > subject_->signature.number;
    (!answer ? silent : came ? present : late).push_back(rank);
  }
  const char* missed = kind == Kind::send      ? "has not received it"
                       : kind == Kind::receive ? "has not sent it"
                                               : "did not call it";
  return list("called it", present, hosts) + list(missed, late, hosts) +
         list("did not answer", silent, hosts);
}

}  // namespace tessera
