#include "base/keyed_hash.h"

#include <cstring>
#include <string_view>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "base/thread_pool.h"

namespace halftone {
namespace {

constexpr size_t kStep = 64, kLanes = 4;
constexpr int64_t kPiece = int64_t{1} << 20;

/// Both halves of the product of 128 bits, folded.
uint64_t fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t word(const std::byte* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

Digest KeyedHash::operator()(std::span<const std::byte> bytes) const {
  std::array<uint64_t, kLanes> lanes{secret_[4], secret_[5], secret_[6], secret_[7]};
  const auto mix = [&](const std::byte* from) {
    for (size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = fold(word(from + 16 * lane) ^ lanes[lane], word(from + 16 * lane + 8) ^ secret_[lane]) ^
                    (lanes[lane] << 1 | lanes[lane] >> 63);
  };
  size_t at = 0;
  for (; at + kStep <= bytes.size(); at += kStep) mix(bytes.data() + at);
  std::array<std::byte, kStep> rest{};
  if (at < bytes.size()) std::memcpy(rest.data(), bytes.data() + at, bytes.size() - at);
  mix(rest.data());

  Digest digest{bytes.size() ^ secret_[0], bytes.size() ^ secret_[1]};
  for (size_t round = 0; round < 2; ++round)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      digest[0] = fold(digest[0] ^ lanes[lane], secret_[lane] ^ 0x9e3779b97f4a7c15u);
      digest[1] = fold(digest[1] ^ lanes[lane], secret_[lane + 4] ^ 0xd6e8feb86659fd93u) ^ digest[0];
    }
  return digest;
}

Digest KeyedHash::in_pieces(std::span<const std::byte> bytes, ThreadPool& threads) const {
  const auto size = static_cast<int64_t>(bytes.size());
  std::vector<Digest> pieces(static_cast<size_t>(ceil_div(size, kPiece)));
  threads.parallel_for(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      pieces[static_cast<size_t>(i)] = (*this)(bytes.subspan(
          static_cast<size_t>(i * kPiece), static_cast<size_t>(std::min(kPiece, size - i * kPiece))));
  });
  return (*this)(std::as_bytes(std::span(pieces)));
}

std::string digest_text(const Digest& digest) {
  return fmt::format("{:016x}{:016x}", digest[0], digest[1]);
}

}  // namespace halftone
