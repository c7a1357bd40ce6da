#include <fstream>
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/packed/packed_bits.h"
#include "formats/packed/packed_format.h"
#include "formats/test_folder.h"
#include "op_run.h"

namespace halftone {
namespace {

Encoding encoding_of(const char* format, Granularity granularity, bool symmetric) {
  Encoding encoding;
  encoding.format = find_number_format(format);
  encoding.granularity = granularity;
  encoding.symmetric = symmetric;
  return encoding;
}

/// A Hugging Face folder with one layer "layer" as `writer` packs it, and further tensors.
void write_layer(const fs::path& folder, const PackedWriter& writer, const QuantizedTensor& weight,
                 const std::vector<std::pair<std::string, Tensor>>& others = {}) {
  std::vector<PlannedTensor> plan = writer.plan("layer", weight.encoding(), weight.shape());
  for (const auto& [name, tensor] : others) plan.push_back({name, tensor.dtype(), tensor.shape()});
  SafetensorsWriter file(folder, "model", plan, {});
  size_t next = 0;
  for (const Tensor& tensor : writer.pack(weight)) file.write(plan[next++].name, tensor.view());
  for (const auto& [name, tensor] : others) file.write(name, tensor.view());
  file.finish();
  Json config;
  config["model_type"] = "llama";
  config["quantization_config"] = writer.config(weight.encoding(), {"lm_head"});
  std::ofstream(folder / "config.json") << config.dump();
}

void expect_same(const QuantizedTensor& found, const QuantizedTensor& expected) {
  ASSERT_EQ(found.shape(), expected.shape());
  std::vector<uint8_t> a(static_cast<size_t>(found.columns())), b(a.size());
  std::vector<float> x(a.size()), y(a.size());
  for (int64_t row = 0; row < found.rows(); ++row) {
    found.row_codes(row, a);
    expected.row_codes(row, b);
    ASSERT_EQ(a, b) << "row " << row;
    found.decode_row(row, x);
    expected.decode_row(row, y);
    ASSERT_EQ(x, y) << "row " << row;
  }
}

TEST(PackedLayers, ComeBackAsTheyWereWritten) {
  const std::vector<Encoding> encodings = {encoding_of("int4", Granularity::per_group(32), true),
                                           encoding_of("int4", Granularity::per_group(32), false),
                                           encoding_of("int4", Granularity::per_axis(0), true),
                                           encoding_of("int4", Granularity::per_axis(0), false),
                                           encoding_of("int8", Granularity::per_axis(0), true),
                                           encoding_of("int8", Granularity::per_axis(0), false),
                                           encoding_of("int8", Granularity::per_group(64), false),
                                           encoding_of("int8", Granularity::per_tensor(), true),
                                           encoding_of("int3", Granularity::per_group(32), false),
                                           encoding_of("int2", Granularity::per_group(64), true),
                                           encoding_of("fp8_e4m3", Granularity::per_axis(0), true),
                                           encoding_of("fp8_e4m3", Granularity::per_tensor(), true)};
  const Tensor values = random_tensor({96, 128}, 3);
  int written = 0;
  for (const PackedWriter& writer : packed_writers())
    for (const Encoding& encoding : encodings) {
      if (!writer.refusal(encoding, values.shape()).empty()) continue;
      SCOPED_TRACE(std::string(writer.name) + ", " + encoding.str());
      const TestFolder folder;
      const QuantizedTensor weight = quantize(values.view(), encoding, "w");
      write_layer(folder.path(), writer, weight);
      const Checkpoint checkpoint = open_checkpoint(folder.path());
      EXPECT_EQ(checkpoint.names(), std::vector<std::string>{"layer.weight"});
      const Constant& constant = checkpoint.constant("layer.weight");
      Encoding expected = encoding;
      if (writer.name == "awq") expected.symmetric = false;  // it always has zero points
      ASSERT_EQ(constant.encoding(), expected);
      expect_same(*constant.load_encoded("w"), weight);
      ++written;
    }
  EXPECT_EQ(written, 32);
}

TEST(PackedLayers, ActOrderSortsTheColumnsByTheirGroups) {
  const QuantizedTensor weight =
      quantize(random_tensor({32, 64}, 5).view(), encoding_of("int4", Granularity::per_group(32), true), "w");
  const PackedWriter& writer = *std::ranges::find(packed_writers(), "gptq", &PackedWriter::name);
  const TestFolder folder;
  write_layer(folder.path(), writer, weight);
  // Inputs take turns between the two groups.
  const std::vector<PlannedTensor> plan = writer.plan("layer", weight.encoding(), weight.shape());
  std::vector<Tensor> tensors = writer.pack(weight);
  for (size_t i = 0; i < 64; ++i) tensors[3].mutable_view().span<int32_t>()[i] = static_cast<int32_t>(i % 2);
  fs::remove(folder.path() / "model.safetensors");
  SafetensorsWriter file(folder.path(), "model", plan, {});
  for (size_t i = 0; i < tensors.size(); ++i) file.write(plan[i].name, tensors[i].view());
  file.finish();

  const Checkpoint checkpoint = open_checkpoint(folder.path());
  const Tensor order = checkpoint.constant("layer.input_order").load();
  for (int64_t i = 0; i < 64; ++i)
    EXPECT_EQ(order.span<int64_t>()[static_cast<size_t>(i)], i < 32 ? 2 * i : 2 * (i - 32) + 1);
  std::vector<uint8_t> stored(64), found(64);
  weight.row_codes(7, stored);
  checkpoint.constant("layer.weight").load_encoded("w")->row_codes(7, found);
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(found[i], stored[static_cast<size_t>(order.span<int64_t>()[i])]);
}

TEST(PackedLayers, SymmetricGptqTellsItsVersionItself) {
  const QuantizedTensor weight =
      quantize(random_tensor({32, 64}, 5).view(), encoding_of("int4", Granularity::per_group(32), true), "w");
  for (const char* name : {"gptq", "gptq-v2"}) {
    const PackedWriter& writer = *std::ranges::find(packed_writers(), name, &PackedWriter::name);
    const TestFolder folder;
    write_layer(folder.path(), writer, weight);
    Json config;
    config["quantization_config"] = writer.config(weight.encoding(), {});
    config["quantization_config"].erase("checkpoint_format");  // the label lies, or says nothing
    std::ofstream(folder.path() / "config.json") << config.dump();
    expect_same(*open_checkpoint(folder.path()).constant("layer.weight").load_encoded("w"), weight);
  }
}

TEST(PackedLayers, WhatDoesNotFitIsNamed) {
  const QuantizedTensor weight = quantize(random_tensor({32, 64}, 5).view(),
                                          encoding_of("int4", Granularity::per_group(32), false), "w");
  const PackedWriter& writer = *std::ranges::find(packed_writers(), "awq", &PackedWriter::name);
  const TestFolder folder;
  write_layer(folder.path(), writer, weight);
  auto with = [&](const char* text) {
    std::ofstream(folder.path() / "config.json") << text;
    return open_checkpoint(folder.path());
  };
  EXPECT_THROW(with(R"({"quantization_config": {"quant_method": "hqq"}})"), UnsupportedError);
  EXPECT_THROW(with(R"({"quantization_config": {"quant_method": "awq", "bits": 8}})"), UnsupportedError);
  EXPECT_THROW(with(R"({"quantization_config": {"quant_method": "awq", "version": "gemv"}})"),
               UnsupportedError);
  EXPECT_THROW(with(R"({"quantization_config": {"quant_method": "gptq"}})"), InputError);
  EXPECT_THROW(with(R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})"), InputError);
  EXPECT_THROW(with(R"({"quantization_config": {"quant_method": "bitsandbytes"}})"), UnsupportedError);
  EXPECT_NO_THROW(with(R"({"quantization_config": {"quant_method": "awq"}})"));
}

/// GPTQModel's `dynamic`: patterns of names that have bits, groups and symmetry of their own.
TEST(PackedLayers, GptqLayersHaveBitsOfTheirOwn) {
  const Tensor values = random_tensor({32, 64}, 5);
  const Encoding most = encoding_of("int4", Granularity::per_group(32), true);
  for (const Encoding& own : {encoding_of("int8", Granularity::per_group(64), true),
                              encoding_of("int3", Granularity::per_group(32), false)})
    for (const char* name : {"gptq", "gptq-v2"}) {
      const PackedWriter& writer = *std::ranges::find(packed_writers(), name, &PackedWriter::name);
      const QuantizedTensor weight = quantize(values.view(), most, "w"),
                            other = quantize(values.view(), own, "w");
      std::vector<std::pair<std::string, Tensor>> tensors;
      const std::vector<PlannedTensor> plan = writer.plan("other", own, other.shape());
      for (const Tensor& tensor : writer.pack(other)) tensors.emplace_back(plan[tensors.size()].name, tensor);
      const TestFolder folder;
      write_layer(folder.path(), writer, weight, tensors);
      Json config;
      config["quantization_config"] = writer.config(most, {});
      EXPECT_THROW(open_checkpoint(folder.path()), InputError);
      config["quantization_config"]["dynamic"]["+:.*other"]["bits"] = own.format->bits();
      std::ofstream(folder.path() / "config.json") << config.dump();
      const Checkpoint checkpoint = open_checkpoint(folder.path());
      expect_same(*checkpoint.constant("layer.weight").load_encoded("w"), weight);
      expect_same(*checkpoint.constant("other.weight").load_encoded("w"), other);
    }
}

/// Readers of GPTQ look for codes of every layer that the config does not name.
TEST(PackedLayers, GptqNamesTheLayersThatStayFloating) {
  const Encoding encoding = encoding_of("int4", Granularity::per_group(32), true);
  for (const PackedWriter& writer : packed_writers()) {
    if (!writer.name.starts_with("gptq")) continue;
    EXPECT_FALSE(writer.config(encoding, {"model.embed_tokens", "lm_head"}).contains("dynamic"));
    const OrderedJson config =
        writer.config(encoding, {"model.embed_tokens", "model.layers.1.mlp.down_proj", "lm_head"});
    EXPECT_EQ(config["dynamic"].dump(), R"({"-:^model\\.layers\\.1\\.mlp\\.down_proj$":{}})");
  }
}

TEST(PackedLayers, Fp8IsNamedAsSuchInTheFile) {
  const QuantizedTensor weight = quantize(random_tensor({32, 64}, 5).view(),
                                          encoding_of("fp8_e4m3", Granularity::per_axis(0), true), "w");
  const TestFolder folder;
  write_layer(folder.path(), *std::ranges::find(packed_writers(), "compressed-tensors", &PackedWriter::name),
              weight);
  const std::string file = read_text(folder / "model.safetensors");
  EXPECT_NE(file.find(R"("dtype":"F8_E4M3")"), std::string::npos);
}

TEST(PackedBits, CodesOfThreeBitsSpanWords) {
  uint32_t words[3] = {};
  for (int i = 0; i < 32; ++i) put_stream_code(words, 1, i, 3, static_cast<uint8_t>(i % 8));
  for (int i = 0; i < 32; ++i) EXPECT_EQ(stream_code(words, 1, i, 3), i % 8);
}

}  // namespace
}  // namespace halftone
