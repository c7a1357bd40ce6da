#include "base/keyed_hash.h"

#include <gtest/gtest.h>
#include <set>
#include <vector>

#include "base/thread_pool.h"

namespace halftone {
namespace {

constexpr KeyedHash::Secret kSecret = {11, 22, 33, 44, 55, 66, 77, 88};

std::vector<std::byte> some_bytes(size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((i * 131 >> 3) + 1);
  return bytes;
}

TEST(KeyedHash, DependsOnEveryBitTheLengthAndTheSecret) {
  std::set<Digest> seen;
  const KeyedHash hash(kSecret);
  for (size_t length : {0u, 1u, 63u, 64u, 65u, 200u}) {
    std::vector<std::byte> bytes = some_bytes(length);
    EXPECT_TRUE(seen.insert(hash(bytes)).second) << length;
    for (size_t bit = 0; bit < 8 * length; ++bit) {
      bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      EXPECT_TRUE(seen.insert(hash(bytes)).second) << length << " bit " << bit;
      bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    }
    bytes.push_back(std::byte{0});
    EXPECT_NE(hash(bytes), hash(some_bytes(length))) << "a zero more than " << length;
    for (size_t i = 0; i < kSecret.size(); ++i) {
      KeyedHash::Secret other = kSecret;
      other[i] ^= 1;
      EXPECT_TRUE(seen.insert(KeyedHash(other)(some_bytes(length))).second) << length << " secret " << i;
    }
  }
}

TEST(KeyedHash, PiecesDoNotDependOnThreads) {
  ThreadPool one(1), three(3);
  const KeyedHash hash(kSecret);
  std::vector<std::byte> bytes = some_bytes((size_t{3} << 20) + 17);
  const Digest digest = hash.in_pieces(bytes, one);
  EXPECT_EQ(hash.in_pieces(bytes, three), digest);
  bytes.back() ^= std::byte{1};
  EXPECT_NE(hash.in_pieces(bytes, one), digest);
}

TEST(KeyedHash, PrintsAsHexadecimalDigits) {
  EXPECT_EQ(digest_text({0x1234, 0xfedcba9876543210u}), "0000000000001234fedcba9876543210");
}

}  // namespace
}  // namespace halftone
