// How elements travel. Everything is made of sends and receives, and reductions are done by one
// rank for each element, in rank order: so all ranks get the same bits, in every run, on every MPI.
#include <algorithm>
#include <cstring>

#include "channel.h"

namespace tessera {
namespace {

/** What one rank reduces at a time: small enough for the cache, large enough to hide latency. */
constexpr size_t kPiece = size_t{1} << 18;
/** Scratch memory of a reduction. */
constexpr size_t kScratch = size_t{1} << 23;
/** Pieces whose parts are on their way while an earlier one is reduced. */
constexpr size_t kAhead = 2;
/** Reductions this small are sent to everybody whole: one hop in place of two. */
constexpr size_t kSmall = size_t{1} << 12;
/** Partners that a gather talks to at once. */
constexpr int kPartners = 16;

struct Span {
  size_t first, size;
};

/** Part `index` of `count` of [0, size), as even as whole numbers allow. */
Span partOf(size_t size, size_t index, size_t count) {
  const auto at = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned __int128>(size) * i / count);
  };
  return {at(index), at(index + 1) - at(index)};
}

/** The bytes of a slice of elements. */
Span bytesOf(const Call& call, Span elements) {
  const size_t each = bytesPer(call.signature.storage);
  return {elements.first * each, elements.size * each};
}

/**
 * A reduction of which rank r makes part r, a piece at a time, while the parts of later pieces are
 * under way. With `share`, each finished piece goes to all ranks; else rank r keeps only part r.
 */
Program reduceParts(Call& call, bool share) {
  const auto ranks = static_cast<size_t>(call.group.size());
  const auto own = static_cast<size_t>(call.group.rank);
  const size_t size = share ? call.signature.size : call.signature.size * ranks;
  const size_t each = bytesPer(call.signature.storage);
  const size_t largest = (size + ranks - 1) / ranks;
  const size_t room = std::max<size_t>(kScratch / ((kAhead + 1) * ranks), 4096);
  const size_t pieceSize = std::min(kPiece, room) / each;
  const size_t pieces = (largest + pieceSize - 1) / pieceSize;
  const Channel partial(call, kPartial), result(call, kResult);

  /** Piece `k` of the part that rank `r` makes. */
  const auto span = [=](size_t r, size_t k) {
    const Span part = partOf(size, r, ranks);
    const size_t first = std::min(k * pieceSize, part.size);
    return Span{part.first + first, std::min(pieceSize, part.size - first)};
  };
  std::vector<char> scratch((kAhead + 1) * ranks * std::min(pieceSize, largest) * each);
  const auto slot = [&](size_t k, size_t r) {
    return scratch.data() + ((k % (kAhead + 1)) * ranks + r) * std::min(pieceSize, largest) * each;
  };

  std::vector<Requests> arriving(kAhead + 1);
  Requests leaving, results;
  const auto post = [&](size_t k) {
    if (k >= pieces) return;
    for (size_t step = 1; step < ranks; ++step) {
      const size_t r = (own + ranks - step) % ranks;
      partial.receive(arriving[k % (kAhead + 1)], slot(k, r), span(own, k).size * each,
                      static_cast<int>(r));
    }
    for (size_t step = 1; step < ranks; ++step) {
      const size_t r = (own + step) % ranks;
      const Span bytes = bytesOf(call, span(r, k));
      partial.send(leaving, call.from + bytes.first, bytes.size, static_cast<int>(r));
    }
    if (!share) return;
    for (size_t step = 1; step < ranks; ++step) {
      const size_t r = (own + ranks - step) % ranks;
      const Span bytes = bytesOf(call, span(r, k));
      result.receive(results, call.to + bytes.first, bytes.size, static_cast<int>(r));
    }
  };

  for (size_t k = 0; k < kAhead; ++k) post(k);
  for (size_t k = 0; k < pieces; ++k) {
    post(k + kAhead);
    co_await call.all(arriving[k % (kAhead + 1)]);
    const Span mine = span(own, k);
    const Span bytes = bytesOf(call, mine);
    char* made = share ? call.to + bytes.first
                       : call.to + bytes.first - bytesOf(call, partOf(size, own, ranks)).first;
    std::vector<const void*> parts;
    if (call.signature.op == Op::onto) parts.push_back(made);
    for (size_t r = 0; r < ranks; ++r) {
      parts.push_back(r == own ? call.from + bytes.first : slot(k, r));
    }
    reduce(call.signature.storage, call.signature.op, made, parts.data(), parts.size(), mine.size);
    if (!share) continue;
    for (size_t step = 1; step < ranks; ++step) {
      result.send(results, made, bytes.size, static_cast<int>((own + step) % ranks));
    }
  }
  co_await call.all(leaving);
  co_await call.all(results);
}

Program reduceSmall(Call& call) {
  const auto ranks = static_cast<size_t>(call.group.size());
  const size_t bytes = call.bytes();
  std::vector<char> scratch(ranks * bytes);
  std::vector<const void*> parts(ranks);
  Requests requests;
  const Channel channel(call, kPartial);
  for (size_t r = 0; r < ranks; ++r) {
    const bool own = static_cast<int>(r) == call.group.rank;
    parts[r] = own ? call.from : scratch.data() + r * bytes;
    if (own) continue;
    channel.receive(requests, scratch.data() + r * bytes, bytes, static_cast<int>(r));
    channel.send(requests, call.from, bytes, static_cast<int>(r));
  }
  co_await call.all(requests);
  reduce(call.signature.storage, call.signature.op, call.to, parts.data(), ranks,
         call.signature.size);
}

Program allGather(Call& call) {
  const int ranks = call.group.size(), own = call.group.rank;
  const size_t bytes = call.bytes();
  const Channel channel(call, kGather);
  Requests requests;
  for (int step = 1; step < ranks; ++step) {
    const int to = (own + step) % ranks, from = (own + ranks - step) % ranks;
    channel.receive(requests, call.to + static_cast<size_t>(from) * bytes, bytes, from);
    channel.send(requests, call.from, bytes, to);
    if (step % kPartners == 0) co_await call.all(requests);
  }
  if (bytes > 0) std::memcpy(call.to + static_cast<size_t>(own) * bytes, call.from, bytes);
  co_await call.all(requests);
}

Program broadcast(Call& call) {
  const int ranks = call.group.size(), root = call.signature.root;
  const auto rankAt = [=](int place) { return (place + root) % ranks; };
  const Tree tree((call.group.rank - root + ranks) % ranks, ranks);
  const size_t bytes = call.bytes();
  const Channel channel(call, kBroadcast);
  Requests sending;
  if (tree.parent < 0 && bytes > 0) std::memcpy(call.to, call.from, bytes);
  for (size_t at = 0; at < bytes; at += kPiece) {
    const size_t width = std::min(kPiece, bytes - at);
    if (tree.parent >= 0) {
      Requests arriving;
      channel.receive(arriving, call.to + at, width, rankAt(tree.parent));
      co_await call.all(arriving);
    }
    for (const int child : tree.children) channel.send(sending, call.to + at, width, rankAt(child));
  }
  co_await call.all(sending);
}

/** Dissemination: after round k each rank has heard, through others, of 2^(k+1) ranks. */
Program barrier(Call& call) {
  const int ranks = call.group.size(), own = call.group.rank;
  const Channel channel(call, kBarrier);
  for (int far = 1; far < ranks; far *= 2) {
    char sent = 0, got = 0;
    Requests requests;
    channel.receive(requests, &got, 1, (own + ranks - far) % ranks);
    channel.send(requests, &sent, 1, (own + far) % ranks);
    co_await call.all(requests);
  }
}

Program message(Call& call) {
  const Channel channel(call, kMessage + call.tag);
  Requests requests;
  // An empty message is sent as one byte, so that receiving it waits for it.
  char nothing = 0;
  const size_t bytes = std::max<size_t>(call.bytes(), 1);
  if (call.signature.kind == Kind::send) {
    channel.send(requests, call.bytes() == 0 ? &nothing : call.from, bytes, call.peer);
  } else {
    channel.receive(requests, call.bytes() == 0 ? &nothing : call.to, bytes, call.peer);
  }
  co_await call.all(requests);
}

}  // namespace

Program programOf(Call& call) {
  const bool meets = call.signature.kind == Kind::meet;
  if (!call.isMessage() && (call.group.compares || meets)) co_await compare(call);
  switch (call.signature.kind) {
    case Kind::allReduce:
      if (call.bytes() <= kSmall) {
        co_await reduceSmall(call);
      } else {
        co_await reduceParts(call, true);
      }
      break;
    case Kind::reduceScatter:
      co_await reduceParts(call, false);
      break;
    case Kind::allGather:
      co_await allGather(call);
      break;
    case Kind::broadcast:
      co_await broadcast(call);
      break;
    case Kind::barrier:
      // Ranks that have compared their calls have all arrived.
      if (!call.group.compares) co_await barrier(call);
      break;
    case Kind::meet:
      call.group.context = call.context;
      break;
    case Kind::send:
    case Kind::receive:
      co_await message(call);
      break;
  }
}

}  // namespace tessera
