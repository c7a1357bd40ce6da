#include "formats/ggml_weight.h"

#include <cstring>
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "formats/safetensors.h"
#include "formats/test_folder.h"
#include "op_run.h"
#include "shared_files.h"

namespace halftone {
namespace {

Constant encoded(const Tensor& values, const std::string& format, Granularity granularity, bool symmetric,
                 bool real_minimum = false, DType scale_dtype = DType::f16) {
  Encoding encoding;
  encoding.format = find_number_format(format);
  encoding.granularity = granularity;
  encoding.symmetric = symmetric;
  encoding.real_minimum = real_minimum;
  encoding.scale_dtype = scale_dtype;
  Constant constant(values);
  constant.set_encoding(encoding);
  return constant;
}

std::vector<std::byte> packed(const GgmlWeight& weight) {
  const auto codes = weight.constant.load_encoded("w");
  const size_t row_bytes = static_cast<size_t>(codes->columns()) / weight.type->block * weight.type->bytes;
  std::vector<std::byte> bytes(row_bytes * static_cast<size_t>(codes->rows()));
  for (int64_t row = 0; row < codes->rows(); ++row)
    pack_ggml_row(*weight.type, *codes, row,
                  std::span(bytes).subspan(static_cast<size_t>(row) * row_bytes, row_bytes));
  return bytes;
}

/// The largest difference of what two constants' codes stand for.
float difference(const Constant& a, const Constant& b) {
  const Tensor x = a.load_encoded("a")->decode(), y = b.load_encoded("b")->decode();
  float worst = 0;
  for (size_t i = 0; i < x.span<float>().size(); ++i)
    worst = std::max(worst, std::abs(x.span<float>()[i] - y.span<float>()[i]));
  return worst;
}

TEST(GgmlWeight, RoundsToTheBitAsThePythonPackageDoes) {
  const fs::path folder = source_path("src/formats/testdata");
  Checkpoint numbers;
  add_safetensors(numbers, folder / "gguf_rounded.safetensors");
  const GgufFile file(folder / "gguf_rounded.gguf");
  ASSERT_EQ(file.tensors().size(), 3u);
  for (const GgufTensor& tensor : file.tensors()) {
    const GgmlWeight weight = ggml_weight(numbers.constant("numbers"), *tensor.type, "w");
    EXPECT_EQ(weight.change, "");
    const auto expected = file.file()->bytes().subspan(tensor.begin, tensor.end - tensor.begin);
    const std::vector<std::byte> found = packed(weight);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_EQ(found[i], expected[i])
          << tensor.name << " byte " << i << ", block " << i / tensor.type->bytes;
  }
}

TEST(GgmlWeight, CodesStayWhereThereIsAPlaceForThem) {
  const Tensor values = random_tensor({6, 128}, 7);
  struct Case {
    Constant constant;
    const char* type;
  };
  const Case cases[] = {
      {encoded(values, "int4", Granularity::per_group(32), true), "Q4_0"},
      {encoded(values, "int4", Granularity::per_group(64), true), "Q4_0"},
      {encoded(values, "int4", Granularity::per_axis(0), true), "Q4_0"},
      {encoded(values, "int4", Granularity::per_tensor(), true), "Q4_0"},
      {encoded(values, "int3", Granularity::per_group(128), true), "Q4_0"},
      {encoded(values, "int2", Granularity::per_group(96), true), "Q4_0"},
      {encoded(values, "int8", Granularity::per_group(32), true), "Q8_0"},
      {encoded(values, "int8", Granularity::per_axis(0), true), "Q8_0"},
      {encoded(values, "int6", Granularity::per_group(64), true), "Q8_0"},
      {encoded(values, "int5", Granularity::per_group(64), false), "Q8_0"},
      {encoded(values, "int4", Granularity::per_group(32), false, true), "Q4_1"},
      {encoded(values, "int3", Granularity::per_group(64), false, true), "Q4_1"},
  };
  for (const Case& at : cases) {
    SCOPED_TRACE(at.constant.encoding()->str());
    const GgmlWeight weight = ggml_weight(at.constant, ggml_type_named("f16"), "w");
    EXPECT_EQ(weight.type->name, at.type);
    EXPECT_EQ(weight.change, "");
    EXPECT_EQ(difference(weight.constant, at.constant), 0);
  }
}

TEST(GgmlWeight, WhatChangesIsSaid) {
  const Tensor values = random_tensor({6, 128}, 7);
  const float largest =
      std::abs(*std::ranges::max_element(values.span<float>(), {}, [](float x) { return std::abs(x); }));
  const auto weight = [&](const Constant& constant, const char* type = "f16") {
    return ggml_weight(constant, ggml_type_named(type), "w");
  };
  const Constant affine = encoded(values, "int4", Granularity::per_group(32), false);
  EXPECT_EQ(weight(affine).type->name, "Q4_1");
  EXPECT_EQ(weight(affine).change, "minima rounded to f16");
  EXPECT_LE(difference(weight(affine).constant, affine), 0x1p-11f * largest);

  const Constant wide = encoded(values, "int4", Granularity::per_group(32), true, false, DType::f32);
  EXPECT_EQ(weight(wide).change, "scales rounded to f16");
  EXPECT_LE(difference(weight(wide).constant, wide), 0x1p-11f * largest);

  const Constant nf4 = encoded(values, "nf4", Granularity::per_group(64), true);
  EXPECT_EQ(weight(nf4).type->name, "Q4_0");
  EXPECT_EQ(weight(nf4).change, "nf4 g64 decoded and rounded anew to Q4_0");
  EXPECT_EQ(weight(nf4, "q8_0").type->name, "Q8_0");
  EXPECT_LE(difference(weight(nf4, "q8_0").constant, nf4), largest / 127);

  // Codes of 8 bits less their zero points do not fit into 8 bits; groups of 16 cut blocks.
  EXPECT_EQ(weight(encoded(values, "int8", Granularity::per_group(32), false)).change,
            "int8 g32 affine decoded and rounded anew to Q8_0");
  EXPECT_EQ(weight(encoded(values, "int6", Granularity::per_group(16), true)).change,
            "int6 g16 decoded and rounded anew to Q8_0");

  const GgmlWeight odd = weight(Constant(random_tensor({4, 43}, 1)), "q4_0");
  EXPECT_EQ(odd.type->name, "F16");
  EXPECT_EQ(odd.change, "F16, since blocks of 32 do not divide its rows");
  EXPECT_EQ(odd.constant.load().dtype(), DType::f16);
}

TEST(GgmlWeight, NumbersThatAreNoneAreRefused) {
  Tensor values = random_tensor({2, 64}, 7);
  values.mutable_view().span<float>()[70] = std::numeric_limits<float>::quiet_NaN();
  const GgmlWeight weight = ggml_weight(Constant(values), ggml_type_named("q8_0"), "layer.weight");
  EXPECT_THROW(weight.constant.load_encoded("w"), InputError);
}

TEST(GgufWriter, WhatIsWrittenIsRead) {
  const TestFolder folder;
  GgufFields fields;
  fields.add("general.architecture", "test");
  fields.add("a.count", uint32_t{7});
  fields.add("a.number", 0.5f);
  fields.add("a.flag", true);
  fields.add("a.strings", std::vector<std::string>{"x", "", "yz"});
  fields.add("a.floats", std::vector<float>{1.5f, -2});
  fields.add("a.ints", std::vector<int32_t>{-1, 3});
  const Tensor first = random_tensor({3, 5}, 1), second = random_tensor({7}, 2);
  GgufWriter writer(folder / "t.gguf", fields,
                    {{"first", &ggml_type_named("f32"), first.shape()},
                     {"second", &ggml_type_named("f32"), second.shape()}});
  writer.write(first.view().bytes().first(20));
  writer.write(first.view().bytes().subspan(20));
  EXPECT_FALSE(fs::exists(folder / "t.gguf"));
  writer.write(second.view().bytes());
  writer.finish();

  const GgufFile file(folder / "t.gguf");
  EXPECT_EQ(file.metadata().require<std::string>("general.architecture"), "test");
  EXPECT_EQ(file.metadata().require<int64_t>("a.count"), 7);
  EXPECT_EQ(file.metadata().require<double>("a.number"), 0.5);
  EXPECT_TRUE(file.metadata().require<bool>("a.flag"));
  EXPECT_EQ(file.metadata().require<std::vector<std::string>>("a.strings"),
            (std::vector<std::string>{"x", "", "yz"}));
  EXPECT_EQ(file.metadata().require<std::vector<double>>("a.floats"), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(file.metadata().require<std::vector<int64_t>>("a.ints"), (std::vector<int64_t>{-1, 3}));
  ASSERT_EQ(file.tensors().size(), 2u);
  for (const auto& [tensor, written] : {std::pair{file.tensors()[0], first}, {file.tensors()[1], second}}) {
    EXPECT_EQ(tensor.shape, written.shape());
    EXPECT_EQ(0, std::memcmp(file.file()->bytes().data() + tensor.begin, written.view().data,
                             written.size_bytes()));
  }
}

}  // namespace
}  // namespace halftone
