#include "base/proto_reader.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace halftone {
namespace {

const std::string kWhere = "file: not a message";

std::string complaint(std::string_view bytes) {
  try {
    for (ProtoReader field(bytes, kWhere); field.next();) {
    }
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(ProtoReader, ReadsWhatWasPut) {
  std::string inner, outer;
  put_proto_float(inner, 1, 1.5f);
  put_proto_varint(outer, 3, 300);
  put_proto_bytes(outer, 20, inner);
  ProtoReader field(outer, kWhere);
  ASSERT_TRUE(field.next());
  EXPECT_EQ(field.number(), 3u);
  EXPECT_EQ(field.integer(), 300);
  ASSERT_TRUE(field.next());
  EXPECT_EQ(field.number(), 20u);
  ProtoReader nested = field.message();
  ASSERT_TRUE(nested.next());
  EXPECT_EQ(nested.number32(), 1.5f);
  EXPECT_FALSE(nested.next());
  EXPECT_FALSE(field.next());
}

TEST(ProtoReader, RepeatedFieldsComeOneByOneOrPacked) {
  std::string bytes;
  put_proto_varint(bytes, 1, static_cast<uint64_t>(-1));
  put_proto_bytes(bytes, 1, "\x02\xac\x02");
  std::vector<int64_t> values;
  for (ProtoReader field(bytes, kWhere); field.next();) field.append_to(values);
  EXPECT_EQ(values, (std::vector<int64_t>{-1, 2, 300}));

  std::string floats;
  put_proto_float(floats, 4, 2);
  put_proto_bytes(floats, 4, std::string_view("\0\0\x80\x3f\0\0\0\x40", 8));
  std::vector<float> numbers;
  for (ProtoReader field(floats, kWhere); field.next();) field.append_to(numbers);
  EXPECT_EQ(numbers, (std::vector<float>{2, 1, 2}));
}

TEST(ProtoReader, NamesThePlaceOfWhatIsBroken) {
  EXPECT_EQ(complaint("\x08"), "file: not a message: byte 1: cut off: 1 bytes wanted, 0 left");
  EXPECT_EQ(complaint("\x0a\x05xy"), "file: not a message: byte 2: cut off: 5 bytes wanted, 2 left");
  EXPECT_EQ(complaint("\x0b"), "file: not a message: byte 1: field 1 has wire type 3");
  EXPECT_EQ(complaint(std::string(12, '\xff')),
            "file: not a message: byte 10: a varint of more than 10 bytes");
  EXPECT_EQ(complaint(std::string_view("\0\0", 2)), "file: not a message: byte 1: a field of number 0");

  std::string inner(1, '\x08'), outer;
  put_proto_bytes(outer, 1, inner);
  ProtoReader field(outer, kWhere);
  ASSERT_TRUE(field.next());
  ProtoReader nested = field.message();
  EXPECT_THROW(nested.next(), InputError);
  EXPECT_THROW(field.varint(), InputError);
  EXPECT_THROW(field.number32(), InputError);
}

}  // namespace
}  // namespace halftone
