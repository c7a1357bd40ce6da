#include "formats/safetensors.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>

#include "formats/test_folder.h"
#include "shared_files.h"

namespace halftone {
namespace {

std::string file_of(std::string_view header, size_t data_bytes, std::optional<uint64_t> length = {}) {
  const uint64_t stated = length.value_or(header.size());
  std::string file(sizeof(stated), '\0');
  std::memcpy(file.data(), &stated, sizeof(stated));
  return file.append(header).append(data_bytes, '\1');
}

std::string error_of(std::string_view header, size_t data_bytes, std::optional<uint64_t> length = {}) {
  const std::string file = file_of(header, data_bytes, length);
  try {
    parse_safetensors(std::as_bytes(std::span(file)), "m.safetensors");
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == ExitCode::input || error.code() == ExitCode::unsupported);
    return error.what();
  }
  return "no error";
}

TEST(Safetensors, ReadsEntriesInTheOrderOfTheirBytes) {
  const std::string file = file_of(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2],"data_offsets":[12,16]},)"
      R"("b":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]},"e":{"dtype":"I8","shape":[0,9],"data_offsets":[12,12]}})",
      16);
  const SafetensorsHeader header = parse_safetensors(std::as_bytes(std::span(file)), "f");
  ASSERT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.entries[0].name, "b");
  EXPECT_EQ(header.entries[0].shape, Shape({1, 3}));
  EXPECT_EQ(header.entries[0].dtype, DType::f32);
  EXPECT_EQ(header.entries[1].name, "e");
  EXPECT_EQ(header.entries[2].name, "a");
  EXPECT_EQ(header.entries[2].end, file.size());
  EXPECT_EQ(header.metadata.at("format"), "pt");
}

TEST(Safetensors, LyingHeadersAreRefusedWithTheirPlace) {
  EXPECT_EQ(error_of("", 0, 1),
            "m.safetensors: byte 0: the header should take at most 0 bytes, found a length of 1");
  EXPECT_EQ(error_of("{}", 0, UINT64_MAX),
            "m.safetensors: byte 0: the header should take at most 2 bytes, found a length of "
            "18446744073709551615");
  EXPECT_EQ(error_of("{}", 3), "m.safetensors: 3 bytes after the last tensor belong to no tensor");
  EXPECT_EQ(error_of("[]", 0), "m.safetensors: the header should be a JSON object, found []");
  EXPECT_NE(error_of("{", 0).find("m.safetensors: header: not valid JSON"), std::string::npos);
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[],"data_offsets":[0,1]},"a":{}})", 1),
            "m.safetensors: header: JSON key \"a\" appears twice");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", 1),
            "m.safetensors: tensor \"a\": dtype \"F4\" is not one that Halftone reads");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
            "m.safetensors: tensor \"a\": f32 [2] takes 8 bytes, its data offsets span 4");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}})", 3),
            "m.safetensors: tensor \"a\": data offsets [0, 4] do not lie in the file's 3 data bytes");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[4,0]}})", 4),
            "m.safetensors: tensor \"a\": data offsets [4, 0] do not lie in the file's 4 data bytes");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})", 3),
            "m.safetensors: tensor \"a\": 1 bytes before it belong to no tensor");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},)"
                     R"("b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
                     3),
            "m.safetensors: tensor \"b\": its bytes overlap those of the tensor before it");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F64","shape":[4611686018427387904,2],"data_offsets":[0,0]}})", 0),
            "m.safetensors: tensor \"a\": shape [4611686018427387904, 2] is too large");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[-1],"data_offsets":[0,1]}})", 1),
            "m.safetensors: tensor \"a\": \"shape\" should hold sizes, found -1");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,18446744073709551615]}})", 1),
            "m.safetensors: tensor \"a\": \"data_offsets\" should hold sizes, found 18446744073709551615");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"I8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1),
            "m.safetensors: tensor \"a\": 9 dimensions, Halftone handles 8");
  EXPECT_EQ(error_of(R"({"a":7})", 0), "m.safetensors: tensor \"a\": expected an object, found 7");
  EXPECT_EQ(error_of(R"({"__metadata__":{"x":1}})", 0),
            "m.safetensors: \"__metadata__\": \"x\" should be a string, found 1");
}

TEST(Safetensors, EveryTruncationIsAnInputError) {
  const std::string file = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_THROW(parse_safetensors(std::as_bytes(std::span(file).first(size)), "f"), InputError) << size;
}

TEST(Safetensors, ABooleanIsZeroOrOne) {
  const TestFolder folder;
  folder.write("b.safetensors",
               file_of(R"({"b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", 0) + "\2");
  Checkpoint checkpoint;
  add_safetensors(checkpoint, folder / "b.safetensors");
  EXPECT_THROW(checkpoint.constant("b").load(), InputError);
}

std::vector<PlannedTensor> plan_of_three() {
  return {{"codes", DType::u8, {3}}, {"scales", DType::f32, {2, 1}}, {"half", DType::f16, {2}}};
}

void write_three(SafetensorsWriter& writer) {
  writer.write("codes", Tensor::from<uint8_t>({3}, {7, 8, 9}).view());
  writer.write("scales", Tensor::from<float>({2, 1}, {0.5f, -2}).view());
  writer.write("half", Tensor::from<Half>({2}, {to_half(1), to_half(3)}).view());
  writer.finish();
}

void expect_three(const Checkpoint& checkpoint) {
  EXPECT_EQ(checkpoint.names().size(), 3u);
  EXPECT_EQ(checkpoint.constant("codes", {3}).load().span<uint8_t>()[2], 9);
  const Tensor scales = checkpoint.constant("scales").load();
  EXPECT_EQ(scales.shape(), Shape({2, 1}));
  EXPECT_EQ(scales.span<float>()[1], -2);
  EXPECT_EQ(to_float(checkpoint.constant("half").load().span<Half>()[1]), 3);
  EXPECT_EQ(checkpoint.metadata.at("format"), "pt");
  EXPECT_THROW(checkpoint.constant("nothing"), InputError);
  EXPECT_THROW(checkpoint.constant("scales", {2}), InputError);
}

TEST(SafetensorsWriter, OneFileReadsBackEqual) {
  const TestFolder folder;
  SafetensorsWriter writer(folder.path(), "model", plan_of_three(), {{"format", "pt"}});
  write_three(writer);
  Checkpoint checkpoint;
  add_safetensors_folder(checkpoint, folder.path());
  expect_three(checkpoint);
}

TEST(SafetensorsWriter, ShardsReadBackEqual) {
  const TestFolder folder;
  SafetensorsWriter writer(folder.path(), "model", plan_of_three(), {{"format", "pt"}}, 8);
  write_three(writer);
  EXPECT_TRUE(fs::exists(folder / "model-00003-of-00003.safetensors"));
  Checkpoint checkpoint;
  add_safetensors_folder(checkpoint, folder.path());
  expect_three(checkpoint);
}

class Shards : public testing::Test {
 protected:
  void SetUp() override {
    SafetensorsWriter writer(folder_.path(), "model", plan_of_three(), {{"format", "pt"}}, 8);
    write_three(writer);
  }
  std::string error() {
    try {
      Checkpoint checkpoint;
      add_safetensors_folder(checkpoint, folder_.path());
    } catch (const InputError& e) {
      const std::string what = e.what();
      return what.substr(what.find("test_folder") == std::string::npos ? 0 : what.rfind('/') + 1);
    }
    return "no error";
  }
  void index(std::string_view weight_map) {
    folder_.write("model.safetensors.index.json", fmt::format(R"({{"weight_map":{}}})", weight_map));
  }
  TestFolder folder_;
};

TEST_F(Shards, AMissingShardIsNamed) {
  fs::remove(folder_ / "model-00002-of-00003.safetensors");
  EXPECT_NE(error().find("shard model-00002-of-00003.safetensors is missing (1 of the index's 3 tensors)"),
            std::string::npos);
}

TEST_F(Shards, ATensorThatIsNotWhereTheIndexSaysIsNamed) {
  index(R"({"codes":"model-00001-of-00003.safetensors","ghost":"model-00001-of-00003.safetensors"})");
  EXPECT_NE(error().find("tensor \"ghost\" should be in model-00001-of-00003.safetensors"),
            std::string::npos);
}

TEST_F(Shards, ATensorInTwoShardsIsRefused) {
  fs::copy_file(folder_ / "model-00001-of-00003.safetensors", folder_ / "twin.safetensors");
  index(R"({"codes":"model-00001-of-00003.safetensors","twin":"twin.safetensors"})");
  EXPECT_NE(error().find("tensor \"codes\" appears twice"), std::string::npos);
}

TEST_F(Shards, AnIndexMayNotLeaveItsFolder) {
  for (const char* name : {"\"../x.safetensors\"", "\"/etc/passwd\"", "\"..\"", "\"\"", "3"}) {
    index(fmt::format(R"({{"codes":{}}})", name));
    EXPECT_NE(error().find("tensor \"codes\": expected"), std::string::npos) << name << error();
  }
  folder_.write("model.safetensors.index.json", "{}");
  EXPECT_NE(error().find("key \"weight_map\" is missing"), std::string::npos);
}

TEST(Safetensors, ReadsTheSharedModels) {
  SKIP_WITHOUT_SHARED("models/llm/stories260K");
  const Checkpoint checkpoint = open_checkpoint(shared_path("models/llm/stories260K"));
  const int64_t hidden = checkpoint.config.at("hidden_size").get<int64_t>();
  const int64_t vocabulary = checkpoint.config.at("vocab_size").get<int64_t>();
  EXPECT_TRUE(checkpoint.contains("model.embed_tokens.weight"));
  EXPECT_EQ(checkpoint.type("model.embed_tokens.weight").shape, Shape({vocabulary, hidden}));
}

}  // namespace
}  // namespace halftone
