// See engine.h.
#include "engine.h"

#include <unistd.h>

#include <algorithm>

#include "backoff.h"
#include "channel.h"
#include "survey.h"
#include "watchdog.h"

namespace tessera {
namespace {

/** How often a rank with nothing under way looks for questions of others. */
constexpr auto kIdle = std::chrono::milliseconds(5);
/** An abort that has not ended this process by then has failed. */
constexpr auto kAbortPatience = std::chrono::seconds(3);
/**
 * Later ranks ask later when time is up: one answer ends the job, and thousands need not ask
 * thousands.
 */
constexpr auto kStagger = std::chrono::milliseconds(50);
constexpr int kMostStaggers = 40;

std::vector<std::string> gatherHosts(int size) {
  char name[MPI_MAX_PROCESSOR_NAME] = {};
  int length = 0;
  MPI_Get_processor_name(name, &length);
  std::vector<char> all(static_cast<size_t>(size) * sizeof(name));
  check(MPI_Allgather(name, sizeof(name), MPI_BYTE, all.data(), sizeof(name), MPI_BYTE,
                      MPI_COMM_WORLD),
        "MPI_Allgather");
  std::vector<std::string> hosts;
  for (size_t i = 0; i < all.size(); i += sizeof(name)) hosts.emplace_back(&all[i]);
  return hosts;
}

/** Whether this host has more ranks than processors. */
bool isCrowded(const WorldFacts& facts) {
  const auto& own = facts.hosts[static_cast<size_t>(facts.rank)];
  return std::ranges::count(facts.hosts, own) > sysconf(_SC_NPROCESSORS_ONLN);
}

/** Groups that this MPI's tags tell apart. */
int countContexts() {
  int* most = nullptr;
  int isKnown = 0;
  check(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &most, &isKnown), "MPI_Comm_get_attr");
  constexpr int kPromised = 32767;
  return (isKnown ? *most : kPromised) / kSlots;
}

MPI_Comm duplicate() {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  check(MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  return copy;
}

uint64_t hashOf(const std::vector<int>& ranks, uint64_t occurrence) {
  uint64_t hash = 14695981039346656037ull ^ occurrence;
  for (const int rank : ranks) hash = (hash ^ static_cast<uint64_t>(rank)) * 1099511628211ull;
  return hash;
}

}  // namespace

class Engine::Claim {
 public:
  explicit Claim(Engine& engine) : engine_(engine) {
    ++engine.claims_;
    engine.mutex_.lock();
  }
  ~Claim() {
    const bool leavesWork = engine_.isBusy();
    --engine_.claims_;
    engine_.mutex_.unlock();
    if (leavesWork) engine_.wake_.notify_one();
  }

 private:
  Engine& engine_;
};

Engine::Engine(Options options) : options_(std::move(options)) {
  const Watchdog watchdog(
      limit(), 1, options_.who + ": time is up, and MPI has not started all ranks of the job\n");
  start();
  thread_ = std::thread([this] { run(); });
}

void Engine::start() {
  int level = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
  if (level < MPI_THREAD_SERIALIZED) {
    throw std::runtime_error("this MPI's thread level is " + threadLevelName(level) +
                             ", but must be serialized or higher");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &facts_.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &facts_.size);
  facts_.library = libraryName();
  facts_.hosts = gatherHosts(facts_.size);
  isCrowded_ = isCrowded(facts_);
  contexts_ = countContexts();
  communicator_ = duplicate();
  inquiry_ = std::make_unique<Inquiry>(duplicate(), facts_.size, [this](uint64_t key) {
    const auto found = groups_.find(key);
    return found == groups_.end() ? 0 : found->second->called + 1;
  });
}

std::shared_ptr<Group> Engine::makeGroup(const std::string& name, const std::vector<int>& ranks) {
  auto group = std::make_shared<Group>();
  group->name = name;
  group->ranks = ranks;
  group->communicator = communicator_;
  group->compares = options_.compares;
  const auto own = std::find(ranks.begin(), ranks.end(), facts_.rank);
  if (own == ranks.end()) throw std::invalid_argument("this rank is not in the group " + name);
  group->rank = static_cast<int>(own - ranks.begin());
  auto call = std::make_shared<Call>(*group);
  call->signature.kind = Kind::meet;
  call->signature.size = ranks.size();
  call->signature.root = static_cast<int32_t>(hashOf(ranks, 0) >> 32);
  call->context = nextContext_;
  call->limit = limit();
  {
    const Claim claim(*this);
    uint64_t occurrence = 0;
    while (groups_.contains(hashOf(ranks, occurrence))) ++occurrence;
    group->key = hashOf(ranks, occurrence);
    groups_[group->key] = group;
  }
  post(call);
  wait(*call);
  nextContext_ = group->context + 1;
  if (nextContext_ <= contexts_) return group;
  throw std::runtime_error("this MPI's tags tell no more than " + std::to_string(contexts_) +
                           " groups apart");
}

void Engine::post(const std::shared_ptr<Call>& call) {
  const Claim claim(*this);
  if (call->isMessage()) {
    messages_.push_back(call);
  } else {
    if (call->signature.kind != Kind::meet) call->signature.number = ++call->group.called;
    call->group.queue.push_back(call);
  }
  round();  // what can leave leaves at once
}

void Engine::wait(Call& call) {
  if (!call.done) {
    const Claim claim(*this);
    for (Backoff backoff(isCrowded_); !call.done;) {
      const bool moved = round();
      const auto nap = backoff.after(moved);
      if (nap > nap.zero()) {
        std::this_thread::sleep_for(nap);
      } else if (!moved) {
        std::this_thread::yield();
      }
    }
  }
  if (!call.error.empty()) throw std::runtime_error(call.error);
}

void Engine::run() {
  std::unique_lock lock(mutex_);
  for (Backoff backoff(isCrowded_); !stopping_;) {
    if (claims_ > 0) {
      wake_.wait_for(lock, kIdle);
      continue;
    }
    const bool moved = round();
    const auto nap = backoff.after(moved);
    if (!isBusy()) {
      wake_.wait_for(lock, kIdle);
    } else if (nap > nap.zero()) {
      wake_.wait_for(lock, nap);
    } else {
      lock.unlock();
      if (!moved) std::this_thread::yield();
      lock.lock();
    }
  }
}

bool Engine::isBusy() const {
  return !messages_.empty() || std::any_of(groups_.begin(), groups_.end(), [](const auto& entry) {
    return !entry.second->queue.empty();
  });
}

bool Engine::round() {
  inquiry_->serve();
  bool moved = false;
  for (const auto& [key, group] : groups_) {
    if (group->queue.empty()) continue;
    moved = advance(group->queue.front()) || moved;
    if (group->queue.front()->done) group->queue.pop_front();
  }
  // Messages begin in the order of their posting, so that they match in it.
  for (const auto& call : messages_) moved = advance(call) || moved;
  std::erase_if(messages_, [](const auto& call) { return call->done.load(); });
  return moved;
}

bool Engine::advance(const std::shared_ptr<Call>& call) {
  try {
    if (!call->program.handle) call->program = programOf(*call);
    const bool moved = call->advance();
    if (call->program.handle.done()) {
      finish(*call, "");
      return true;
    }
    const auto later =
        call->isMessage() ? kStagger * 0 : kStagger * std::min(call->group.rank, kMostStaggers);
    if (Clock::now() - call->posted < call->limit + later) return moved;
    const auto findings = inquiry_->about(*call, facts_.hosts);
    if (!findings) return false;
    finish(*call, call->where(facts_.hosts) + ": time is up" + *findings);
  } catch (const std::exception& error) {
    finish(*call, call->where(facts_.hosts) + ": " + error.what());
  }
  return true;
}

void Engine::finish(Call& call, std::string error) {
  inquiry_->forget(call);
  call.error = std::move(error);
  call.ended = Clock::now();
  call.done = true;
}

void Engine::abort(int code) {
  new Watchdog(kAbortPatience, code, "");  // for as long as this process lives
  const Claim claim(*this);
  MPI_Abort(MPI_COMM_WORLD, code);
  for (;;) pause();
}

void Engine::close() {
  const Watchdog watchdog(
      limit(), 1, options_.who + ": time is up, and MPI has not ended on all ranks of the job\n");
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  groups_.clear();
  inquiry_.reset();
  MPI_Comm_free(&communicator_);
  MPI_Finalize();
}

}  // namespace tessera
