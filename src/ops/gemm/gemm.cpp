#include "ops/gemm/gemm.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/fused_activation.h"
#include "scheme/bf16/rounded_bf16.h"
#include "scheme/dynamic.h"

namespace halftone {
namespace {

bool is_transposed(const OpSite& site, std::string_view attribute) {
  return site.attributes->get_int(attribute, 0) != 0;
}

void check_activation_encoding(const OpSite& site) {
  const SiteInput& a = site.inputs[0];
  if (a.constant || !a.encoding) return;
  const Encoding& encoding = *a.encoding;
  if (is_rounded_bf16(encoding)) return;
  if (encoding.timing != Timing::dynamic || encoding.format->name() != "int8" || !encoding.symmetric ||
      encoding.granularity.kind == Granularity::Kind::per_axis)
    throw UnsupportedError(
        "{} (Gemm): activations as {}; Gemm takes bf16 or dynamic symmetric int8 per token, per group or per "
        "tensor",
        site.name, encoding.str());
}

std::vector<ValueType> infer(const OpSite& site) {
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    if (!site.has_input(i)) continue;
    require(site, is_float(site.inputs[i].type.dtype), "input {} is {}, not floating", "ABC"[i],
            dtype_name(site.inputs[i].type.dtype));
    const int rank = site.input_shape(i).rank();
    const bool rows = i == 0 && !is_transposed(site, "transA") && rank > 2;
    require(site, rows || (i < 2 ? rank == 2 : rank <= 2), "input {} has shape {}, not a matrix", "ABC"[i],
            site.input_shape(i).str());
  }
  const Shape& a = site.input_shape(0);
  const Shape& b = site.input_shape(1);
  const bool trans_a = is_transposed(site, "transA"), trans_b = is_transposed(site, "transB");
  require(site, sizes_may_agree(trans_a ? a[0] : a.back(), b[trans_b ? 1 : 0]),
          "A {}{} and B {}{} do not fit together", a.str(), trans_a ? "^T" : "", b.str(),
          trans_b ? "^T" : "");
  const GemmExtent extent = gemm_extent(site);
  const Shape output{extent.m, extent.n};
  if (site.has_input(2)) {
    const Shape& c = site.input_shape(2);
    for (int axis = 0; axis < c.rank(); ++axis) {
      const int64_t dim = c[c.rank() - 1 - axis];
      require(site, dim == 1 || sizes_may_agree(dim, output[1 - axis]), "C {} does not broadcast to {}",
              c.str(), output.str());
    }
  }
  check_activation_encoding(site);
  require(site, outlier_threshold(site) >= 0, "outlier_threshold is {}", outlier_threshold(site));
  fused_activation(site);
  if (a.rank() == 2) return {{site.inputs[0].type.dtype, output}};
  Shape rows = a;
  rows[a.rank() - 1] = extent.n;
  return {{site.inputs[0].type.dtype, rows}};
}

Cost cost(const OpSite& site) {
  const GemmExtent extent = gemm_extent(site);
  Cost total = traffic(site);
  const double outputs = static_cast<double>(extent.m) * static_cast<double>(extent.n);
  total.flops = 2 * outputs * static_cast<double>(extent.k) + (site.has_input(2) ? outputs : 0);
  return total;
}

/// One operand as rows of f32: rows of A', or of B'^T.
std::vector<float> load_rows(const Operand& operand, int64_t rows, int64_t columns, bool transposed) {
  std::vector<float> stored(static_cast<size_t>(rows * columns));
  if (operand.quantized) {
    const Tensor decoded = operand.quantized->decode();
    std::copy_n(decoded.span<float>().begin(), stored.size(), stored.begin());
  } else {
    load_floats(operand.tensor, 0, stored);
  }
  if (!transposed) return stored;
  std::vector<float> turned(stored.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      turned[static_cast<size_t>(r * columns + c)] = stored[static_cast<size_t>(c * rows + r)];
  return turned;
}

/// Rows of A' under its dynamic encoding.
struct DynamicRows {
  int64_t group;
  int64_t groups;
  std::vector<int8_t> codes;  ///< [m, k]
  std::vector<float> scales;  ///< [m, groups]
};

DynamicRows quantize_rows(std::span<const float> rows, const GemmExtent& extent, const Encoding& encoding) {
  DynamicRows result;
  result.group = dynamic_group(encoding, extent.k);
  result.groups = std::max<int64_t>(1, ceil_div(extent.k, result.group));
  result.codes.resize(rows.size());
  result.scales.resize(static_cast<size_t>(extent.m * result.groups));
  if (encoding.granularity.kind == Granularity::Kind::per_tensor) {
    float scale = 0;
    quantize_token(rows, result.codes, scale);
    std::fill(result.scales.begin(), result.scales.end(), scale);
    return result;
  }
  const size_t k = static_cast<size_t>(extent.k), groups = static_cast<size_t>(result.groups);
  for (size_t m = 0; m < static_cast<size_t>(extent.m); ++m)
    quantize_token_groups(
        rows.subspan(m * k, k), result.group, std::span(result.codes).subspan(m * k, k),
        std::span(result.scales).subspan(m * groups, static_cast<size_t>(ceil_div(extent.k, result.group))));
  return result;
}

/// A' B' in integers, as gemm.h states it.
std::vector<float> integer_product(const DynamicRows& a, const QuantizedTensor& b, const GemmExtent& extent) {
  const ScaleGrid& grid = b.grid();
  const std::vector<GemmSegment> segments = gemm_segments(extent.k, a.group, grid.group);
  const bool per_token = a.groups == 1;
  const bool real_minimum = b.encoding().real_minimum;
  std::vector<uint8_t> codes(static_cast<size_t>(extent.k));
  std::vector<float> scales(static_cast<size_t>(grid.groups)), minima(scales.size());
  std::vector<int32_t> zeros(scales.size());
  std::vector<float> product(static_cast<size_t>(extent.m * extent.n));

  for (int64_t n = 0; n < extent.n; ++n) {
    b.row_codes(n, codes);
    b.row_scales(n, scales);
    if (real_minimum)
      b.row_minima(n, minima);
    else
      b.row_zeros(n, zeros);
    for (int64_t m = 0; m < extent.m; ++m) {
      float sum = 0;
      for (const GemmSegment& segment : segments) {
        const size_t group = static_cast<size_t>(segment.b_group);
        int64_t products = 0, activations = 0;
        for (int64_t k = segment.begin; k < segment.end; ++k) {
          const int64_t qa = a.codes[static_cast<size_t>(m * extent.k + k)];
          products += qa * (codes[static_cast<size_t>(k)] - zeros[group]);
          activations += qa;
        }
        const float sa = per_token ? 1.0f : a.scales[static_cast<size_t>(m * a.groups + segment.a_group)];
        sum = std::fma(static_cast<float>(products), sa * scales[group], sum);
        if (real_minimum) sum = std::fma(static_cast<float>(activations), sa * minima[group], sum);
      }
      if (per_token) sum *= a.scales[static_cast<size_t>(m)];
      product[static_cast<size_t>(m * extent.n + n)] = sum;
    }
  }
  return product;
}

std::vector<float> float_product(std::span<const float> a, std::span<const float> b,
                                 const GemmExtent& extent) {
  std::vector<float> product(static_cast<size_t>(extent.m * extent.n));
  const size_t k = static_cast<size_t>(extent.k), n = static_cast<size_t>(extent.n);
  for (size_t i = 0; i < product.size(); ++i) {
    const float* row = a.data() + i / n * k;
    const float* column = b.data() + i % n * k;
    double sum = 0;
    for (size_t j = 0; j < k; ++j) sum += static_cast<double>(row[j]) * static_cast<double>(column[j]);
    product[i] = static_cast<float>(sum);
  }
  return product;
}

/// product = alpha * product + beta * C.
void scale_and_add(std::vector<float>& product, const OpSite& site, std::span<const Operand> inputs,
                   const GemmExtent& extent) {
  const float alpha = site.attributes->get_float("alpha", 1);
  const float beta = site.attributes->get_float("beta", 1);
  if (alpha != 1)
    for (float& y : product) y *= alpha;
  if (!site.has_input(2)) return;
  const Shape& shape = site.input_shape(2);
  std::vector<float> c(static_cast<size_t>(shape.elements()));
  if (inputs[2].quantized) {
    const Tensor decoded = inputs[2].quantized->decode();
    std::copy_n(decoded.span<float>().begin(), c.size(), c.begin());
  } else {
    load_floats(inputs[2].tensor, 0, c);
  }
  const int64_t column_step = shape.rank() >= 1 && shape.back() != 1 ? 1 : 0;
  const int64_t row_step = shape.rank() == 2 && shape[0] != 1 ? shape[1] : 0;
  for (int64_t m = 0; m < extent.m; ++m)
    for (int64_t n = 0; n < extent.n; ++n)
      product[static_cast<size_t>(m * extent.n + n)] +=
          beta * c[static_cast<size_t>(m * row_step + n * column_step)];
}

/// The columns of A' that stay floating, taken out of it.
struct Outliers {
  std::vector<int64_t> columns;
  std::vector<float> values;  ///< [m, columns]
};

Outliers take_outliers(std::vector<float>& a, const GemmExtent& extent, float threshold) {
  Outliers outliers;
  if (threshold == 0) return outliers;
  outliers.columns = outlier_columns(a, extent.k, threshold);
  for (int64_t m = 0; m < extent.m; ++m)
    for (int64_t column : outliers.columns)
      outliers.values.push_back(std::exchange(a[static_cast<size_t>(m * extent.k + column)], 0.0f));
  return outliers;
}

void add_outliers(std::vector<float>& product, const Outliers& outliers, std::span<const float> b,
                  const GemmExtent& extent) {
  const size_t count = outliers.columns.size(), k = static_cast<size_t>(extent.k),
               n = static_cast<size_t>(extent.n);
  if (count == 0) return;
  for (size_t i = 0; i < product.size(); ++i) {
    float sum = 0;
    for (size_t j = 0; j < count; ++j)
      sum += outliers.values[i / n * count + j] * b[i % n * k + static_cast<size_t>(outliers.columns[j])];
    product[i] += sum;
  }
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const GemmExtent extent = gemm_extent(site);
  std::vector<float> a = load_rows(inputs[0], extent.m, extent.k, is_transposed(site, "transA"));
  const Encoding* dynamic = site.inputs[0].constant ? nullptr : site.inputs[0].encoding;
  if (dynamic && is_rounded_bf16(*dynamic)) {
    round_to_bf16(a, a.data());
    dynamic = nullptr;
  }
  const Outliers outliers = take_outliers(a, extent, dynamic ? outlier_threshold(site) : 0);

  std::vector<float> product;
  if (dynamic && integer_gemm_refusal(site).empty()) {
    product = integer_product(quantize_rows(a, extent, *dynamic), *inputs[1].quantized, extent);
  } else {
    if (dynamic) {
      const DynamicRows rows = quantize_rows(a, extent, *dynamic);
      for (size_t i = 0; i < a.size(); ++i) {
        const int64_t m = static_cast<int64_t>(i) / extent.k, k = static_cast<int64_t>(i) % extent.k;
        a[i] = static_cast<float>(rows.codes[i]) *
               rows.scales[static_cast<size_t>(m * rows.groups + k / rows.group)];
      }
    }
    product =
        float_product(a, load_rows(inputs[1], extent.n, extent.k, !is_transposed(site, "transB")), extent);
  }
  if (!outliers.columns.empty())
    add_outliers(product, outliers, load_rows(inputs[1], extent.n, extent.k, !is_transposed(site, "transB")),
                 extent);
  scale_and_add(product, site, inputs, extent);
  const FusedActivation activation = fused_activation(site);
  for (float& y : product) y = apply_activation(activation, y);
  store_floats(product, outputs[0], 0);
}

}  // namespace

const OpSchema& gemm_schema() {
  static const OpSchema schema{.name = "Gemm",
                               .domain = "",
                               .inputs = {{"A"}, {"B"}, {"C", true}},
                               .outputs = {"Y"},
                               .infer = infer,
                               .cost = cost,
                               .reference = reference};
  return schema;
}

GemmExtent gemm_extent(const OpSite& site) {
  const Shape& a = site.input_shape(0);
  const Shape& b = site.input_shape(1);
  const bool trans_a = is_transposed(site, "transA"), trans_b = is_transposed(site, "transB");
  int64_t rows = a[trans_a ? 1 : 0];
  if (a.rank() > 2) {
    rows = 1;
    for (int axis = 0; axis + 1 < a.rank(); ++axis)
      rows = rows < 0 || a[axis] < 0 ? Shape::kUnknownDim : rows * a[axis];
  }
  return {rows, b[trans_b ? 0 : 1], b[trans_b ? 1 : 0]};
}

std::vector<GemmSegment> gemm_segments(int64_t k, int64_t a_group, int64_t b_group) {
  std::vector<GemmSegment> segments;
  for (int64_t begin = 0; begin < k;) {
    const int64_t a = begin / a_group, b = begin / b_group;
    const int64_t end = std::min({(a + 1) * a_group, (b + 1) * b_group, begin + kGemmSegmentMax, k});
    segments.push_back({begin, end, a, b});
    begin = end;
  }
  return segments;
}

int64_t dynamic_group(const Encoding& encoding, int64_t k) {
  return encoding.granularity.kind == Granularity::Kind::per_group ? encoding.granularity.group
                                                                   : std::max<int64_t>(k, 1);
}

float outlier_threshold(const OpSite& site) {
  return site.attributes->get_float("outlier_threshold", 0);
}

std::string integer_gemm_refusal(const OpSite& site) {
  const SiteInput& a = site.inputs[0];
  const SiteInput& b = site.inputs[1];
  if (a.constant || !a.encoding) return "A has no dynamic encoding";
  if (is_rounded_bf16(*a.encoding)) return "A is bf16, not integers";
  if (!b.constant || !b.constant->encoding()) return "B has no encoding";
  const Encoding& encoding = *b.constant->encoding();
  if (!encoding.format->is_integer()) return "B is " + encoding.str() + ", not integers";
  if (!is_transposed(site, "transB")) return "transB is 0: B's scales do not run along k";
  const int64_t rows = scale_grid(encoding.granularity, b.type.shape).rows;
  if (rows != 1 && rows != b.type.shape[0]) return "B has neither one scale an output nor one for all";
  if (encoding.granularity.kind == Granularity::Kind::per_axis && encoding.granularity.axis != 0)
    return "B's scales belong to its columns";
  return {};
}

}  // namespace halftone
