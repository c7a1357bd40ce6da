// AutoAWQ's "gemm" layout (AutoAWQ, awq/utils/packing_utils.py): qweight i32 [in, out/8] and qzeros i32
// [in/group, out/8], outputs shuffled in each word; scales f16
// [in/group, out]; value = (code - zero) * scale.

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/packed/packed_bits.h"
#include "formats/packed/packed_constant.h"
#include "formats/packed/packed_formats.h"

namespace halftone {
namespace {

constexpr int kBits = 4;
constexpr int64_t kPerWord = 8;

/// The nibble in which an output lies: nibbles hold the outputs 0, 2, 4, 6, 1, 3, 5, 7 of their word.
int nibble_of(int64_t output) {
  const auto place = static_cast<int>(output % kPerWord);
  return place % 2 == 0 ? place / 2 : 4 + place / 2;
}

uint8_t code_at(const uint32_t* row, int64_t output) {
  return static_cast<uint8_t>(row[output / kPerWord] >> (4 * nibble_of(output)) & 15);
}

void check_settings(const Checkpoint& checkpoint, const Json& config) {
  const std::string where = checkpoint.path.string() + ": quantization_config";
  const auto bits = json_get_or<int64_t>(config, "bits", kBits, where);
  if (bits != kBits) throw UnsupportedError("{}: AWQ with {} bits; Halftone reads 4", where, bits);
  const auto version = json_get_or<std::string>(config, "version", "gemm", where);
  if (version != "gemm" && version != "GEMM")
    throw UnsupportedError("{}: AWQ version \"{}\"; Halftone reads \"gemm\"", where, version);
}

PackedLayer read(const Checkpoint& checkpoint, const std::string& module, const Json& config) {
  check_settings(checkpoint, config);
  const Shape packed = checkpoint.constant(module + ".qweight").shape();
  const std::string where = fmt::format("{}: layer \"{}\"", checkpoint.path.string(), module);
  if (packed.rank() != 2) throw InputError("{}: qweight is {}, expected a matrix", where, packed.str());
  const int64_t inputs = packed[0], words = packed[1], outputs = words * kPerWord;
  const Shape scale_shape = checkpoint.constant(module + ".scales").shape();
  if (scale_shape.rank() != 2 || scale_shape[1] != outputs || scale_shape[0] < 1 ||
      inputs % scale_shape[0] != 0)
    throw InputError("{}: scales are {}, which does not fit weights of {} inputs and {} outputs", where,
                     scale_shape.str(), inputs, outputs);
  const int64_t groups = scale_shape[0];
  const Constant qweight = layer_part(checkpoint, module, ".qweight", packed, {DType::i32});
  const Constant qzeros = layer_part(checkpoint, module, ".qzeros", {groups, words}, {DType::i32});
  const Constant scales =
      layer_part(checkpoint, module, ".scales", scale_shape, {DType::f16, DType::bf16, DType::f32});
  const Encoding encoding = integer_encoding(kBits, inputs / groups, inputs, false, scales.dtype());
  const Shape shape{outputs, inputs};
  auto unpack = [=] {
    QuantizedTensor::Parts parts;
    parts.encoding = encoding;
    parts.shape = shape;
    const Tensor codes = qweight.load(), zeros = qzeros.load();
    parts.codes = pack_rows(shape, kBits, [&](int64_t output, std::span<uint8_t> row) {
      for (int64_t i = 0; i < inputs; ++i)
        row[static_cast<size_t>(i)] = code_at(words_of(codes) + i * words, output);
    });
    parts.scales = transposed(scales.load());
    parts.zeros = Tensor::allocate(DType::u8, {outputs, groups});
    const auto to = parts.zeros.mutable_view().span<uint8_t>();
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t g = 0; g < groups; ++g)
        to[static_cast<size_t>(o * groups + g)] = code_at(words_of(zeros) + g * words, o);
    return parts;
  };
  return {packed_constant(shape, encoding, unpack, where)};
}

std::string refusal(const Encoding& encoding, const Shape& shape) {
  if (encoding.format->name() != "int4" || encoding.real_minimum || encoding.double_quant_block != 0)
    return "AWQ's format holds int4 with zero points, not " + encoding.str();
  if (encoding.scale_dtype != DType::f16)
    return fmt::format("AWQ's format holds scales in f16, not {}", dtype_name(encoding.scale_dtype));
  if (encoding.granularity.kind != Granularity::Kind::per_group &&
      encoding.granularity != Granularity::per_axis(0))
    return "AWQ's format has one scale a group or an output, not " + encoding.str();
  if (shape[0] % kPerWord != 0) return fmt::format("{} outputs, which 8 does not divide", shape[0]);
  if (shape[1] % scale_grid(encoding.granularity, shape).group != 0)
    return fmt::format("{} inputs, which the group does not divide", shape[1]);
  return {};
}

std::vector<PlannedTensor> plan(const std::string& module, const Encoding& encoding, const Shape& shape) {
  const int64_t groups = scale_grid(encoding.granularity, shape).groups, words = shape[0] / kPerWord;
  return {{module + ".qweight", DType::i32, {shape[1], words}},
          {module + ".qzeros", DType::i32, {groups, words}},
          {module + ".scales", DType::f16, {groups, shape[0]}}};
}

std::vector<Tensor> pack(const QuantizedTensor& weight) {
  const int64_t outputs = weight.rows(), inputs = weight.columns(), groups = weight.grid().groups;
  const int64_t words = outputs / kPerWord;
  Tensor qweight = Tensor::zeros(DType::i32, {inputs, words});
  Tensor qzeros = Tensor::zeros(DType::i32, {groups, words});
  Tensor scales = Tensor::allocate(DType::f16, {groups, outputs});
  std::vector<uint8_t> codes(static_cast<size_t>(inputs));
  std::vector<int32_t> zeros(static_cast<size_t>(groups));
  std::vector<float> row_scales(zeros.size());
  for (int64_t o = 0; o < outputs; ++o) {
    weight.row_codes(o, codes);
    weight.row_zeros(o, zeros);
    weight.row_scales(o, row_scales);
    const int shift = 4 * nibble_of(o);
    for (int64_t i = 0; i < inputs; ++i)
      words_of(qweight.mutable_view())[i * words + o / kPerWord] |= uint32_t{codes[static_cast<size_t>(i)]}
                                                                    << shift;
    for (int64_t g = 0; g < groups; ++g) {
      const auto at = static_cast<size_t>(g);
      words_of(qzeros.mutable_view())[g * words + o / kPerWord] |= static_cast<uint32_t>(zeros[at]) << shift;
      store_floats({&row_scales[at], 1}, scales.mutable_view(), g * outputs + o);
    }
  }
  return {qweight, qzeros, scales};
}

OrderedJson config(const Encoding& encoding, const std::vector<std::string>& kept) {
  OrderedJson json;
  json["quant_method"] = "awq";
  json["version"] = "gemm";
  json["bits"] = kBits;
  json["group_size"] =
      encoding.granularity.kind == Granularity::Kind::per_group ? encoding.granularity.group : -1;
  json["zero_point"] = true;
  json["modules_to_not_convert"] = kept;
  return json;
}

}  // namespace

const PackedReader awq_reader{"awq", ".qweight", ".qzeros", {".qzeros", ".scales"}, read};
const PackedWriter awq_writer{"awq", "AutoAWQ's gemm layout (transformers, vLLM)", refusal, plan, pack,
                              config};

}  // namespace halftone
