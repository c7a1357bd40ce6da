// GPTQ checkpoints (AutoGPTQ, GPTQModel): qweight i32 [in * bits / 32, out], codes of an output in a stream
// down its column; qzeros i32 [in/group, out * bits / 32], a stream along each row; scales f16 [in/group,
// out]; g_idx i32 [in], the group of each input. Version 1 stores zero points less 1, version 2 as they are.

#include <algorithm>
#include <array>
#include <cctype>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/packed/packed_bits.h"
#include "formats/packed/packed_constant.h"
#include "formats/packed/packed_formats.h"

namespace halftone {
namespace {

constexpr std::array kBits = {2, 3, 4, 8};

struct Settings {
  int bits;
  bool symmetric;
  bool version2;
  bool by_layer;  ///< `dynamic` gives layers settings of their own
};

Settings settings_of(const Checkpoint& checkpoint, const Json& config) {
  const std::string where = checkpoint.path.string() + ": quantization_config";
  const auto bits = json_get<int64_t>(config, "bits", where);
  if (std::ranges::find(kBits, bits) == kBits.end())
    throw UnsupportedError("{}: GPTQ with {} bits; Halftone reads 2, 3, 4 and 8", where, bits);
  const auto format = json_get_or<std::string>(config, "checkpoint_format", "gptq", where);
  if (format != "gptq" && format != "gptq_v2")
    throw UnsupportedError("{}: checkpoint_format \"{}\"; Halftone reads gptq and gptq_v2", where, format);
  const auto dynamic = config.find("dynamic");
  return {static_cast<int>(bits), json_get_or<bool>(config, "sym", true, where), format == "gptq_v2",
          dynamic != config.end() && !dynamic->empty()};
}

/// Of a layer: what the config says of all, or, where it gives layers bits of their own by patterns of their
/// names, what the sizes of the layer's tensors tell.
int bits_of(const Settings& settings, const Checkpoint& checkpoint, const std::string& module) {
  const Shape packed = checkpoint.constant(module + ".qweight").shape();
  const Shape zeros = checkpoint.constant(module + ".qzeros").shape();
  if (!settings.by_layer || packed.rank() != 2 || zeros.rank() != 2) return settings.bits;
  const auto fits = [&](int bits) {
    if (packed[0] * 32 % bits != 0 || zeros[1] != ceil_div(packed[1] * bits, int64_t{32})) return false;
    return !checkpoint.contains(module + ".g_idx") ||
           checkpoint.constant(module + ".g_idx").shape() == Shape{packed[0] * 32 / bits};
  };
  const auto own = std::ranges::find_if(kBits, fits);
  return fits(settings.bits) || own == kBits.end() ? settings.bits : *own;
}

/// A word of version 1 with 1 added to each code. Whole words, carries and all, as GPTQModel converts them;
/// codes of 3 bits one by one.
uint32_t ones(int bits) {
  return bits == 2 ? 0x55555555u : bits == 4 ? 0x11111111u : 0x01010101u;
}

/// Zero points [groups, outputs] as stored by version 2.
std::vector<uint8_t> zero_points(const Tensor& qzeros, int64_t outputs, int bits, bool version2) {
  const int64_t groups = qzeros.shape()[0], words = qzeros.shape()[1];
  std::vector<uint8_t> zeros;
  std::vector<uint32_t> row(static_cast<size_t>(words));
  for (int64_t g = 0; g < groups; ++g) {
    std::copy_n(words_of(qzeros) + g * words, words, row.begin());
    if (!version2 && bits != 3)
      for (uint32_t& word : row) word += ones(bits);
    for (int64_t o = 0; o < outputs; ++o) {
      const int code = stream_code(row.data(), 1, o, bits) + (!version2 && bits == 3 ? 1 : 0);
      zeros.push_back(static_cast<uint8_t>(code & ((1 << bits) - 1)));
    }
  }
  return zeros;
}

/// Symmetric models have the middle everywhere. Labels lie, so the version is read off the zero points where
/// they can tell: version 1 shows the middle less 1.
bool all_are(std::span<const uint8_t> zeros, int code) {
  return std::ranges::all_of(zeros, [&](uint8_t zero) { return zero == code; });
}

PackedLayer read(const Checkpoint& checkpoint, const std::string& module, const Json& config) {
  const Settings settings = settings_of(checkpoint, config);
  const int bits = bits_of(settings, checkpoint, module);
  const std::string where = fmt::format("{}: layer \"{}\"", checkpoint.path.string(), module);
  const Shape packed = checkpoint.constant(module + ".qweight").shape();
  const Shape scale_shape = checkpoint.constant(module + ".scales").shape();
  if (packed.rank() != 2 || packed[0] * 32 % bits != 0)
    throw InputError("{}: qweight is {}, expected [inputs * {} / 32, outputs]", where, packed.str(), bits);
  const int64_t inputs = packed[0] * 32 / bits, outputs = packed[1];
  if (scale_shape.rank() != 2 || scale_shape[1] != outputs || scale_shape[0] < 1)
    throw InputError("{}: scales are {}, which does not fit {} outputs", where, scale_shape.str(), outputs);
  const int64_t groups = scale_shape[0], group = ceil_div(inputs, groups);
  const int64_t zero_words = ceil_div(outputs * bits, int64_t{32});

  const Constant qweight = layer_part(checkpoint, module, ".qweight", packed, {DType::i32});
  const Constant qzeros = layer_part(checkpoint, module, ".qzeros", {groups, zero_words}, {DType::i32});
  const Constant scales =
      layer_part(checkpoint, module, ".scales", scale_shape, {DType::f16, DType::bf16, DType::f32});
  const int middle = 1 << (bits - 1);
  const Tensor stored_zeros = qzeros.load();
  bool version2 = settings.version2;
  if (const auto as_stored = zero_points(stored_zeros, outputs, bits, true);
      settings.symmetric && (all_are(as_stored, middle) || all_are(as_stored, middle - 1)))
    version2 = as_stored.front() == middle;
  const std::vector<uint8_t> zeros = zero_points(stored_zeros, outputs, bits, version2);
  const bool symmetric = all_are(zeros, middle);

  PackedLayer layer;
  if (checkpoint.contains(module + ".g_idx")) {
    const Tensor index = layer_part(checkpoint, module, ".g_idx", {inputs}, {DType::i32}).load();
    layer.input_order = order_by_group(index.span<int32_t>(), group, where);
  }
  const Encoding encoding = integer_encoding(bits, group, inputs, symmetric, scales.dtype());
  const Shape shape{outputs, inputs};
  auto unpack = [=, order = layer.input_order] {
    QuantizedTensor::Parts parts;
    parts.encoding = encoding;
    parts.shape = shape;
    const Tensor words = qweight.load();
    parts.codes = pack_rows(shape, bits, [&](int64_t output, std::span<uint8_t> row) {
      for (int64_t i = 0; i < inputs; ++i)
        row[static_cast<size_t>(i)] = stream_code(words_of(words) + output, outputs,
                                                  order.empty() ? i : order[static_cast<size_t>(i)], bits);
    });
    parts.scales = transposed(scales.load());
    if (!symmetric)
      parts.zeros = transposed(Tensor::from<uint8_t>({groups, outputs}, std::span<const uint8_t>(zeros)));
    return parts;
  };
  layer.weight = packed_constant(shape, encoding, unpack, where);
  return layer;
}

std::string common_refusal(const Encoding& encoding, const Shape& shape) {
  const int bits = encoding.format->bits();
  if (!encoding.format->is_integer() || std::ranges::find(kBits, bits) == kBits.end() ||
      encoding.real_minimum || encoding.double_quant_block != 0)
    return "GPTQ's format holds integers of 2, 3, 4 or 8 bits, not " + encoding.str();
  if (encoding.scale_dtype != DType::f16)
    return fmt::format("GPTQ's format holds scales in f16, not {}", dtype_name(encoding.scale_dtype));
  if (encoding.granularity.kind != Granularity::Kind::per_group &&
      encoding.granularity != Granularity::per_axis(0))
    return "GPTQ's format has one scale a group or an output, not " + encoding.str();
  if (shape[1] % 32 != 0 || shape[0] % 32 != 0)
    return fmt::format("a shape of {}, which 32 does not divide", shape.str());
  if (shape[1] % scale_grid(encoding.granularity, shape).group != 0)
    return fmt::format("{} inputs, which the group does not divide", shape[1]);
  return {};
}

std::vector<PlannedTensor> plan(const std::string& module, const Encoding& encoding, const Shape& shape) {
  const int64_t groups = scale_grid(encoding.granularity, shape).groups, bits = encoding.format->bits();
  return {{module + ".qweight", DType::i32, {shape[1] * bits / 32, shape[0]}},
          {module + ".qzeros", DType::i32, {groups, shape[0] * bits / 32}},
          {module + ".scales", DType::f16, {groups, shape[0]}},
          {module + ".g_idx", DType::i32, {shape[1]}}};
}

std::vector<Tensor> pack(const QuantizedTensor& weight, bool version2) {
  const int64_t outputs = weight.rows(), inputs = weight.columns(), groups = weight.grid().groups;
  const int bits = weight.encoding().format->bits();
  Tensor qweight = Tensor::zeros(DType::i32, {inputs * bits / 32, outputs});
  Tensor qzeros = Tensor::zeros(DType::i32, {groups, outputs * bits / 32});
  Tensor scales = Tensor::allocate(DType::f16, {groups, outputs});
  Tensor g_idx = Tensor::allocate(DType::i32, {inputs});
  for (int64_t i = 0; i < inputs; ++i)
    g_idx.mutable_view().span<int32_t>()[static_cast<size_t>(i)] =
        static_cast<int32_t>(i / weight.grid().group);
  std::vector<uint8_t> codes(static_cast<size_t>(inputs));
  std::vector<int32_t> zeros(static_cast<size_t>(groups));
  std::vector<float> row_scales(zeros.size());
  for (int64_t o = 0; o < outputs; ++o) {
    weight.row_codes(o, codes);
    weight.row_zeros(o, zeros);
    weight.row_scales(o, row_scales);
    for (int64_t i = 0; i < inputs; ++i)
      put_stream_code(words_of(qweight.mutable_view()) + o, outputs, i, bits, codes[static_cast<size_t>(i)]);
    for (int64_t g = 0; g < groups; ++g) {
      const auto at = static_cast<size_t>(g);
      // Version 1 of 3 bits code by code, of the others word by word (below), as readers take them back.
      const int stored = version2 || bits != 3 ? zeros[at] : (zeros[at] - 1) & 7;
      put_stream_code(words_of(qzeros.mutable_view()) + g * (outputs * bits / 32), 1, o, bits,
                      static_cast<uint8_t>(stored));
      store_floats({&row_scales[at], 1}, scales.mutable_view(), g * outputs + o);
    }
  }
  if (!version2 && bits != 3)
    for (int32_t& word : qzeros.mutable_view().span<int32_t>())
      word = static_cast<int32_t>(static_cast<uint32_t>(word) - ones(bits));
  return {qweight, qzeros, scales, g_idx};
}

/// A regular expression that a module's name matches, and no other.
std::string exactly(const std::string& module) {
  std::string pattern = "^";
  for (const char c : module) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') pattern += '\\';
    pattern += c;
  }
  return pattern + "$";
}

/// `dynamic` names the layers that a reader is not to look for codes of; it looks for none of embeddings and
/// of the output layer anyway.
OrderedJson config(const Encoding& encoding, const std::vector<std::string>& kept, const char* format) {
  OrderedJson json;
  json["quant_method"] = "gptq";
  json["checkpoint_format"] = format;
  json["bits"] = encoding.format->bits();
  json["group_size"] =
      encoding.granularity.kind == Granularity::Kind::per_group ? encoding.granularity.group : -1;
  json["sym"] = encoding.symmetric;
  json["desc_act"] = false;
  json["lm_head"] = false;
  for (const std::string& module : kept)
    if (!module.ends_with("lm_head") && !module.ends_with("embed_tokens"))
      json["dynamic"]["-:" + exactly(module)] = OrderedJson::object();
  return json;
}

template <bool kVersion2>
constexpr PackedWriter writer(std::string_view name, std::string_view description) {
  return {name,
          description,
          common_refusal,
          plan,
          [](const QuantizedTensor& weight) { return pack(weight, kVersion2); },
          [](const Encoding& encoding, const std::vector<std::string>& kept) {
            return config(encoding, kept, kVersion2 ? "gptq_v2" : "gptq");
          }};
}

}  // namespace

const PackedReader gptq_reader{"gptq", ".qweight", ".qzeros", {".qzeros", ".scales", ".g_idx"}, read};
constinit const PackedWriter gptq_writer =
    writer<false>("gptq", "GPTQ version 1 (AutoGPTQ, GPTQModel, transformers, vLLM)");
constinit const PackedWriter gptq_v2_writer = writer<true>("gptq-v2", "GPTQ version 2 (GPTQModel)");

}  // namespace halftone
