#include "formats/gguf.h"

#include <cstring>
#include <gtest/gtest.h>

#include "formats/gguf_type.h"
#include "formats/safetensors.h"
#include "formats/test_folder.h"
#include "shared_files.h"

namespace halftone {
namespace {

using namespace std::string_view_literals;

fs::path golden(const std::string& name) {
  return source_path("src/formats/testdata") / name;
}

/// Every tensor of `expected` equals the checkpoint's to the bit.
void expect_equal(const Checkpoint& checkpoint, const Checkpoint& expected) {
  for (const std::string& name : expected.names()) {
    const Tensor want = expected.constant(name).load();
    const Tensor found = to_f32(checkpoint.constant(name, want.shape()).load());
    ASSERT_EQ(0, std::memcmp(want.view().data, found.view().data, want.size_bytes())) << name;
  }
}

Checkpoint expected_of(const std::string& name) {
  Checkpoint expected;
  add_safetensors(expected, golden(name + ".safetensors"));
  return expected;
}

TEST(Gguf, DecodesEveryTypeAsThePythonPackageDoes) {
  const GgufFile file(golden("gguf_types.gguf"));
  Checkpoint checkpoint;
  for (const GgufTensor& tensor : file.tensors())
    checkpoint.add(tensor.name,
                   ggml_constant(file.file(), *tensor.type, tensor.shape,
                                 file.file()->bytes().subspan(tensor.begin, tensor.end - tensor.begin), {},
                                 tensor.name));
  EXPECT_EQ(file.tensors().size(), 9u);
  expect_equal(checkpoint, expected_of("gguf_types"));
  for (const char* name : {"Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"}) {
    const Constant& constant = checkpoint.constant(name);
    ASSERT_TRUE(constant.encoding()) << name;
    EXPECT_EQ(constant.load_encoded(name)->encoding(), *constant.encoding());
  }
  EXPECT_EQ(checkpoint.constant("Q4_0").encoding()->str(), "int4 g32");
  EXPECT_EQ(checkpoint.constant("Q6_K").encoding()->str(), "int6 g16 f32-scales");
}

TEST(Gguf, AnotherEncodingThanTheFilesIsMadeFromTheNumbers) {
  const GgufFile file(golden("gguf_llama.gguf"));
  Constant constant = gguf_checkpoint(file).constant("model.layers.0.mlp.up_proj.weight");
  Encoding encoding = *constant.encoding();
  encoding.format = find_number_format("int8");
  constant.set_encoding(encoding);
  EXPECT_EQ(constant.load_encoded("w")->encoding(), encoding);
}

TEST(Gguf, ReadsMetadataOfEveryKind) {
  const GgufFile file(golden("gguf_types.gguf"));
  const GgufMetadata& metadata = file.metadata();
  EXPECT_EQ(metadata.require<int64_t>("test.u8"), 200);
  EXPECT_EQ(metadata.require<int64_t>("test.i8"), -3);
  EXPECT_EQ(metadata.require<int64_t>("test.u16"), 60000);
  EXPECT_EQ(metadata.require<int64_t>("test.i16"), -30000);
  EXPECT_EQ(metadata.require<int64_t>("test.u32"), 4000000000);
  EXPECT_EQ(metadata.require<int64_t>("test.i32"), -2000000000);
  EXPECT_EQ(metadata.require<int64_t>("test.i64"), -(int64_t{1} << 60));
  EXPECT_EQ(metadata.require<double>("test.f32"), 0.1f);
  EXPECT_EQ(metadata.require<double>("test.f64"), 0.1);
  EXPECT_EQ(metadata.require<double>("test.i8"), -3);
  EXPECT_TRUE(metadata.require<bool>("test.bool"));
  EXPECT_EQ(metadata.require<std::string>("test.string"), "häß");
  EXPECT_EQ(metadata.require<std::vector<std::string>>("test.strings"),
            (std::vector<std::string>{"a", "", "ccc"}));
  EXPECT_EQ(metadata.require<std::vector<int64_t>>("test.ints"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(metadata.require<std::vector<double>>("test.floats"), (std::vector<double>{0.5, -1.5}));
  EXPECT_EQ(metadata.get<int64_t>("nothing"), std::nullopt);
  EXPECT_THROW(metadata.require<int64_t>("nothing"), InputError);
  EXPECT_THROW(metadata.get<int64_t>("test.u64"), InputError);
  EXPECT_THROW(metadata.get<int64_t>("test.string"), InputError);
}

TEST(Gguf, ALlamaComesInTheWordsOfHuggingFace) {
  const Checkpoint checkpoint = open_checkpoint(golden("gguf_llama.gguf"));
  const Checkpoint expected = expected_of("gguf_llama");
  EXPECT_EQ(checkpoint.names().size(), expected.names().size());
  expect_equal(checkpoint, expected);

  const Json& config = checkpoint.config;
  EXPECT_EQ(config["architectures"], Json({"LlamaForCausalLM"}));
  EXPECT_EQ(config["hidden_size"], 32);
  EXPECT_EQ(config["intermediate_size"], 64);
  EXPECT_EQ(config["num_attention_heads"], 4);
  EXPECT_EQ(config["num_key_value_heads"], 2);
  EXPECT_EQ(config["head_dim"], 8);
  EXPECT_EQ(config["vocab_size"], 6);
  EXPECT_EQ(config["rope_theta"], 500000.0);
  EXPECT_EQ(config["rms_norm_eps"].get<float>(), 1e-5f);
  EXPECT_EQ(config["tie_word_embeddings"], true);
  EXPECT_EQ(config["rope_scaling"]["long_factor"], Json({1.0, 1.0, 4.0, 8.0}));
  EXPECT_EQ(checkpoint.generation_config["eos_token_id"], Json({2}));
}

TEST(Gguf, GemmasNormsLoseTheAddedOne) {
  const Checkpoint checkpoint = open_checkpoint(golden("gguf_gemma.gguf"));
  expect_equal(checkpoint, expected_of("gguf_gemma"));
  EXPECT_EQ(checkpoint.config["query_pre_attn_scalar"], 16);
  EXPECT_EQ(checkpoint.config["sliding_window"], 512);
}

TEST(Gguf, WhatFilesOfGemma2LeaveOutIsAsLlamaCppHasIt) {
  std::string bytes = read_text(golden("gguf_gemma.gguf"));
  for (size_t at; (at = bytes.find("gemma3")) != std::string::npos;) bytes.replace(at, 6, "gemma2");
  const TestFolder folder;
  folder.write("said.gguf", bytes);
  EXPECT_EQ(open_checkpoint(folder / "said.gguf").config["sliding_window"], 512);
  bytes.replace(bytes.find("sliding_window"), 14, "another_window");
  folder.write("unsaid.gguf", bytes);
  const Json config = open_checkpoint(folder / "unsaid.gguf").config;
  EXPECT_EQ(config["sliding_window"], 4096);
  EXPECT_EQ(config["attn_logit_softcapping"], 50.0);
  EXPECT_EQ(config["final_logit_softcapping"], 30.0);
  EXPECT_TRUE(open_checkpoint(golden("gguf_gemma.gguf")).config["final_logit_softcapping"].is_null());
}

TEST(Gguf, ReadsTheSharedVocabularies) {
  SKIP_WITHOUT_SHARED("tokenizers/ggml-vocab-llama-spm.gguf");
  for (const auto& entry : fs::directory_iterator(shared_path("tokenizers"))) {
    if (entry.path().extension() != ".gguf") continue;
    const GgufFile file(entry.path());
    EXPECT_FALSE(file.metadata().require<std::vector<std::string>>("tokenizer.ggml.tokens").empty())
        << entry.path();
  }
}

/// Makes GGUF files byte by byte.
struct Bytes {
  std::string text;

  template <class T>
  Bytes& number(T value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Bytes& string(std::string_view value) {
    number<uint64_t>(value.size());
    text += value;
    return *this;
  }
  Bytes& head(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
    text += "GGUF";
    return number(version).number(tensors).number(entries);
  }
  Bytes& tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    string(name).number<uint32_t>(static_cast<uint32_t>(dims.size()));
    for (uint64_t dim : dims) number(dim);
    return number(type).number(offset);
  }
  Bytes& data(size_t size) {
    text.resize((text.size() + 31) / 32 * 32 + size, '\0');
    return *this;
  }
  std::string error() const {
    try {
      parse_gguf(std::as_bytes(std::span(text)), "m.gguf");
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
};

TEST(Gguf, OtherVersionsAreRefusedByName) {
  EXPECT_EQ(Bytes().head(0, 0, 1).error(),
            "m.gguf: GGUF version 1, whose counts have 32 bits; versions 2 and 3 are read");
  EXPECT_EQ(Bytes().head(0, 0, 0x03000000).error(),
            "m.gguf: a big-endian GGUF file; little-endian ones are read");
  EXPECT_EQ(Bytes().head(0, 0, 9).error(), "m.gguf: byte 4: expected GGUF version 2 or 3, found 9");
  EXPECT_EQ(Bytes().number<uint32_t>(0x67676d6c).error(),
            "m.gguf: byte 0: expected \"GGUF\", found 0x67676d6c");
  EXPECT_EQ(Bytes().head(0, 0, 2).error(), "no error");
}

TEST(Gguf, LyingCountsAllocateNothing) {
  EXPECT_EQ(Bytes().head(UINT64_MAX, 0).error(),
            "m.gguf: byte 8: number of tensors: expected at most 0 (the rest of the file), found "
            "18446744073709551615");
  EXPECT_EQ(
      Bytes().head(0, 1).error(),
      "m.gguf: byte 16: number of metadata entries: expected at most 0 (the rest of the file), found 1");
  EXPECT_EQ(Bytes().head(0, 1).number<uint64_t>(1 << 20).string("abcdefgh").error(),
            "m.gguf: byte 24: metadata key: expected at most 16 (the rest of the file), found 1048576");
  EXPECT_EQ(Bytes().head(0, 1).string("k").number<uint32_t>(13).data(9).error(),
            "m.gguf: byte 33: metadata \"k\": expected a value type from 0 to 12, found 13");
  EXPECT_EQ(Bytes().head(0, 1).string("k").number<uint32_t>(7).number<uint8_t>(2).error(),
            "m.gguf: byte 37: metadata \"k\": expected a boolean of 0 or 1, found 2");
  Bytes array;
  array.head(0, 1)
      .string("k")
      .number<uint32_t>(9)
      .number<uint32_t>(8)
      .number<uint64_t>(uint64_t{1} << 61)
      .data(64);
  EXPECT_NE(array.error().find("metadata \"k\": expected at most"), std::string::npos);
  Bytes nested;
  nested.head(0, 1).string("k").number<uint32_t>(9);
  for (int i = 0; i < 6; ++i) nested.number<uint32_t>(9).number<uint64_t>(1);
  EXPECT_EQ(nested.data(64).error(), "m.gguf: metadata \"k\": arrays are nested deeper than 4");
  Bytes twice;
  for (int i = 0; i < 2; ++i)
    (i == 0 ? twice.head(0, 2) : twice).string("k").number<uint32_t>(0).number<uint8_t>(0);
  EXPECT_EQ(twice.error(), "m.gguf: metadata \"k\" appears twice");
}

std::string alignment_error(uint32_t alignment) {
  return Bytes().head(0, 1).string("general.alignment").number<uint32_t>(4).number(alignment).error();
}

TEST(Gguf, AlignmentIsAPowerOfTwo) {
  EXPECT_EQ(alignment_error(64), "no error");
  EXPECT_EQ(alignment_error(0),
            "m.gguf: metadata \"general.alignment\": expected a power of two up to 1048576, found 0");
  EXPECT_NE(alignment_error(24), "no error");
  EXPECT_NE(alignment_error(UINT32_MAX), "no error");
}

TEST(Gguf, LyingTensorsAreRefusedWithTheirPlace) {
  auto error = [](std::vector<uint64_t> dims, uint32_t type, uint64_t offset, size_t data) {
    return Bytes().head(1, 0).tensor("w", std::move(dims), type, offset).data(data).error();
  };
  EXPECT_EQ(error({4}, 0, 0, 16), "no error");
  EXPECT_EQ(error({4}, 0, 0, 15),
            "m.gguf: tensor \"w\": 16 bytes at offset 0 do not lie in the file's 15 data bytes");
  EXPECT_EQ(error({4}, 0, 8, 64), "m.gguf: tensor \"w\": offset 8 is not a multiple of the alignment 32");
  EXPECT_EQ(
      error({4}, 0, UINT64_MAX - 31, 64),
      "m.gguf: tensor \"w\": 16 bytes at offset 18446744073709551584 do not lie in the file's 64 data bytes");
  EXPECT_EQ(error({4}, 0, 32, 64), "m.gguf: tensor \"w\": 32 bytes before it belong to no tensor");
  EXPECT_EQ(error({}, 0, 0, 16), "m.gguf: tensor \"w\": expected 1 to 4 dimensions, found 0");
  EXPECT_EQ(error({1, 1, 1, 1, 1}, 0, 0, 16), "m.gguf: tensor \"w\": expected 1 to 4 dimensions, found 5");
  EXPECT_EQ(error({0}, 0, 0, 16), "m.gguf: tensor \"w\": dimension 0: expected 1 to 2^63 - 1, found 0");
  EXPECT_EQ(error({uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0, 16),
            "m.gguf: tensor \"w\": shape [1099511627776, 1099511627776] is too large");
  EXPECT_EQ(error({33}, 2, 0, 64), "m.gguf: tensor \"w\": shape [33]: rows of Q4_0 come in blocks of 32");
  EXPECT_EQ(error({256}, 10, 0, 64),
            "m.gguf: tensor \"w\": type Q2_K (number 10); Halftone reads F32, F16, BF16, Q4_0, Q4_1, Q8_0, "
            "Q4_K, Q5_K, Q6_K");
  EXPECT_NE(error({256}, 777, 0, 64).find("unknown type number 777"), std::string::npos);
  Bytes overlap;
  overlap.head(2, 0).tensor("a", {16}, 0, 0).tensor("b", {4}, 0, 32).data(64);
  EXPECT_EQ(overlap.error(), "m.gguf: tensor \"b\": its bytes overlap those of the tensor before it");
  Bytes twin;
  twin.head(2, 0).tensor("a", {4}, 0, 0).tensor("a", {4}, 0, 32).data(64);
  EXPECT_EQ(twin.error(), "m.gguf: tensor \"a\" appears twice");
}

TEST(Gguf, EveryTruncationIsAnInputError) {
  const std::string text = read_text(golden("gguf_gemma.gguf"));
  const size_t end = text.size() / 32 * 32;  // the writer pads after the last tensor
  for (size_t size = 0; size < end; ++size)
    EXPECT_THROW(parse_gguf(std::as_bytes(std::span(text).first(size)), "m.gguf"), InputError) << size;
}

/// The golden llama with one run of bytes replaced.
std::string edited_error(std::string_view from, std::string_view to) {
  std::string text = read_text(golden("gguf_llama.gguf"));
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  text.replace(at, from.size(), to);
  const TestFolder folder;
  folder.write("m.gguf", text);
  try {
    open_checkpoint(folder / "m.gguf");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Gguf, WhatTheModelDoesNotHaveIsNamed) {
  EXPECT_NE(edited_error("llama.context_length", "llama.context_lengtX")
                .find("metadata \"llama.context_length\" is missing"),
            std::string::npos);
  EXPECT_NE(edited_error("blk.0.ffn_down", "blk.0.ffn_dowX")
                .find("tensor \"blk.0.ffn_dowX.weight\" is not one that"),
            std::string::npos);
  EXPECT_NE(edited_error("blk.0.ffn_down", "blk.x.ffn_down").find("is not one that"), std::string::npos);
  EXPECT_NE(edited_error("token_embd", "token_embX").find("tensor \"token_embd.weight\" is missing"),
            std::string::npos);
  EXPECT_NE(edited_error("\x05\0\0\0\0\0\0\0llama\0"sv.substr(0, 13), "\x05\0\0\0\0\0\0\0lamma"sv)
                .find("GGUF architecture \"lamma\" (known: llama, qwen2"),
            std::string::npos);
}

}  // namespace
}  // namespace halftone
