#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace halftone {

class ThreadPool;

/// 128 bits that bytes and a secret determine.
using Digest = std::array<uint64_t, 2>;

/// Hashes bytes under a secret: whoever does not know it can neither foresee a digest nor find bytes that
/// share one. Reads at about the speed of memory. Digests are this machine's own: they depend on its byte
/// order.
class KeyedHash {
 public:
  using Secret = std::array<uint64_t, 8>;
  explicit KeyedHash(const Secret& secret) : secret_(secret) {}

  Digest operator()(std::span<const std::byte> bytes) const;
  Digest operator()(std::string_view text) const { return (*this)(std::as_bytes(std::span(text))); }
  /// Of long bytes, in pieces shared out over threads. Another digest than that of the whole at once.
  Digest in_pieces(std::span<const std::byte> bytes, ThreadPool& threads) const;

 private:
  Secret secret_;
};

/// 32 hexadecimal digits.
std::string digest_text(const Digest& digest);

}  // namespace halftone
