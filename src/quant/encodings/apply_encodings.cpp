#include "quant/encodings/apply_encodings.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/suggest.h"
#include "graph/code_operators.h"
#include "graph/static_codes.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// Values in codes, in sets that share one scale.
class CodedValues {
 public:
  explicit CodedValues(const Graph& graph)
      : parent_(graph.values().size()), coded_(parent_.size()), wide_(parent_.size()) {
    std::iota(parent_.begin(), parent_.end(), size_t{0});
    for (const Node& node : graph.nodes()) {
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kNoValue) see(node.inputs[i], codes_in(node, i));
      for (size_t i = 0; i < node.outputs.size(); ++i) see(node.outputs[i], codes_out(node, i));
      if (moves_numbers(node)) join_all(node);
    }
  }
  bool is_coded(ValueId value) const { return coded_[index(value)]; }
  bool is_wide(ValueId value) const { return wide_[index(value)]; }
  size_t root(ValueId value) {
    size_t at = index(value);
    while (parent_[at] != at) at = parent_[at] = parent_[parent_[at]];
    return at;
  }

 private:
  static size_t index(ValueId value) { return static_cast<size_t>(value); }
  void see(ValueId value, const std::optional<CodeScale>& codes) {
    if (!codes) return;
    coded_[index(value)] = true;
    wide_[index(value)] = codes->wide();
  }
  void join_all(const Node& node) {
    std::vector<ValueId> together;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue && codes_in(node, i)) together.push_back(node.inputs[i]);
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (codes_out(node, i)) together.push_back(node.outputs[i]);
    for (ValueId value : together) parent_[root(value)] = root(together[0]);
  }

  std::vector<size_t> parent_;
  std::vector<bool> coded_, wide_;
};

class Application {
 public:
  Application(Graph& graph, const EncodingFile& file, const std::set<std::string>& known)
      : graph_(graph), file_(file), known_(known), values_(graph) {
    for (size_t id = 0; id < graph.values().size(); ++id)
      ids_[graph.values()[id].name] = static_cast<ValueId>(id);
  }

  AppliedEncodings run() {
    for (const NamedEncoding& encoding : file_.activations) take_activation(encoding);
    for (Node& node : graph_.nodes()) set_codes(node);
    for (const NamedEncoding& encoding : file_.parameters) set_weights(encoding);
    for (size_t id = 0; id < graph_.values().size(); ++id) {
      const auto value = static_cast<ValueId>(id);
      if (values_.is_coded(value) && given_.count(values_.root(value)) == 0)
        result_.unnamed.push_back(graph_.value(value).name);
    }
    return std::move(result_);
  }

 private:
  struct Given {
    CodeScale codes;
    std::string name;
  };

  /// The value of that name; kNoValue for one that is gone.
  ValueId find(const std::string& name) {
    if (const auto found = ids_.find(name); found != ids_.end()) return found->second;
    if (known_.count(name) == 0) {
      std::vector<std::string> names(known_.begin(), known_.end());
      throw InputError("{}: the model has no \"{}\"{}", file_.source, name, did_you_mean(name, names));
    }
    return kNoValue;
  }

  void take_activation(const NamedEncoding& encoding) {
    const ValueId value = find(encoding.name);
    if (value == kNoValue || !values_.is_coded(value)) {
      result_.unused.push_back(encoding.name);
      return;
    }
    const bool wide = values_.is_wide(value);
    const int bits = wide ? 16 : 8;
    if (encoding.bits != bits || encoding.scales.size() != 1)
      throw UnsupportedError(
          "{}: \"{}\": activations of {} bits with {} scales; {} bits and one scale are handled here",
          file_.source, encoding.name, encoding.bits, encoding.scales.size(), bits);
    const CodeScale codes{encoding.scales[0], static_cast<uint16_t>(-encoding.offsets[0])};
    if (wide && !codes.wide())
      throw UnsupportedError("{}: \"{}\": offset {}; codes of 16 bits are symmetric, offset -32768",
                             file_.source, encoding.name, encoding.offsets[0]);
    const auto [there, fresh] = given_.emplace(values_.root(value), Given{codes, encoding.name});
    if (!fresh && !(there->second.codes == codes))
      throw InputError(
          "{}: \"{}\" and \"{}\" share one scale, since operators between them only move numbers, but are "
          "given {} and {}",
          file_.source, there->second.name, encoding.name, there->second.codes.scale, codes.scale);
    ++result_.activations;
  }

  void set_codes(Node& node) {
    const auto given = [&](ValueId value) -> const CodeScale* {
      const auto found = given_.find(values_.root(value));
      return found == given_.end() ? nullptr : &found->second.codes;
    };
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue && codes_in(node, i))
        if (const CodeScale* codes = given(node.inputs[i])) set_codes_in(node, i, *codes);
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (codes_out(node, i))
        if (const CodeScale* codes = given(node.outputs[i])) set_codes_out(node, i, *codes);
  }

  void set_weights(const NamedEncoding& encoding) {
    const ValueId id = find(encoding.name);
    if (id == kNoValue || !graph_.value(id).constant || !graph_.value(id).constant->encoding()) {
      result_.unused.push_back(encoding.name);
      return;
    }
    Value& value = graph_.value(id);
    value.constant->set_encoded(
        rounded(encoding, to_f32(value.constant->load()), *value.constant->encoding()));
    ++result_.parameters;
  }

  /// Symmetric codes count from the middle, or, as some tools have it, from the one below.
  static bool is_symmetric(const NamedEncoding& given) {
    const int64_t middle = int64_t{1} << (given.bits - 1);
    return std::ranges::all_of(given.offsets, [&](int64_t offset) {
      return offset == -middle || (given.symmetric && offset == 1 - middle);
    });
  }

  std::shared_ptr<const QuantizedTensor> rounded(const NamedEncoding& given, const Tensor& numbers,
                                                 const Encoding& before) const {
    const std::string where = fmt::format("{}: \"{}\"", file_.source, given.name);
    const NumberFormat* format = find_number_format(fmt::format("int{}", given.bits));
    if (!format || given.bits > 8) throw UnsupportedError("{}: weights of {} bits", where, given.bits);
    const int32_t middle = 1 << (given.bits - 1);
    QuantizedTensor::Parts parts;
    parts.encoding = before;
    parts.encoding.format = format;
    parts.encoding.scale_dtype = DType::f32;
    parts.encoding.double_quant_block = 0;
    parts.encoding.symmetric = true;
    if (!is_symmetric(given))
      throw UnsupportedError("{}: weights with zero points; those of integer layers are symmetric", where);
    const int axis = before.granularity.kind == Granularity::Kind::per_axis ? before.granularity.axis : 0;
    parts.encoding.granularity =
        given.scales.size() == 1 ? Granularity::per_tensor() : Granularity::per_axis(axis);
    parts.shape = numbers.shape();
    const ScaleGrid grid = scale_grid(parts.encoding.granularity, parts.shape);
    if (grid.size() != static_cast<int64_t>(given.scales.size()))
      throw InputError("{}: {} scales for weights of shape {}", where, given.scales.size(),
                       parts.shape.str());
    parts.scales = Tensor::from<float>({grid.rows, grid.groups}, given.scales);
    const MatrixExtent extent = matrix_extent(parts.shape);
    const int64_t row_bytes = (extent.columns * given.bits + 7) / 8;
    parts.codes = Tensor::allocate(DType::u8, {extent.rows, row_bytes});
    for (size_t i = 0; i < numbers.span<float>().size(); ++i)
      if (const float number = numbers.span<float>()[i]; !std::isfinite(number))
        throw InputError("{}: element {} of the weights is {}, expected a finite number", where, i, number);
    std::vector<uint8_t> row(static_cast<size_t>(extent.columns));
    for (int64_t r = 0; r < extent.rows; ++r) {
      for (int64_t c = 0; c < extent.columns; ++c) {
        const auto place = static_cast<size_t>(r % grid.rows * grid.groups + c / grid.group);
        const float number = numbers.span<float>()[static_cast<size_t>(r * extent.columns + c)];
        const double code = std::nearbyint(double{number} / double{given.scales[place]}) + middle;
        row[static_cast<size_t>(c)] = static_cast<uint8_t>(std::clamp(code, 1.0, 2.0 * middle - 1));
      }
      pack_bits(row, given.bits,
                parts.codes.mutable_view().bytes().subspan(static_cast<size_t>(r * row_bytes),
                                                           static_cast<size_t>(row_bytes)));
    }
    return std::make_shared<QuantizedTensor>(std::move(parts), where);
  }

  Graph& graph_;
  const EncodingFile& file_;
  const std::set<std::string>& known_;
  CodedValues values_;
  std::map<std::string, ValueId> ids_;
  std::map<size_t, Given> given_;  ///< by root
  AppliedEncodings result_;
};

}  // namespace

std::set<std::string> value_names(const Graph& graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values()) names.insert(value.name);
  return names;
}

AppliedEncodings apply_encodings(Graph& graph, const EncodingFile& file, const std::set<std::string>& known) {
  std::set<std::string> all = known;
  all.merge(value_names(graph));
  return Application(graph, file, all).run();
}

}  // namespace halftone
