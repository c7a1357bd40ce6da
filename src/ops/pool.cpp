#include "ops/pool.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

void require_float(const OpSite& site) {
  require_spatial(site, site.input_shape(0));
  require(site, is_float(site.inputs[0].type.dtype), "X is {}, not floating",
          dtype_name(site.inputs[0].type.dtype));
}

}  // namespace

Window pool_window(const OpSite& site) {
  return read_window(site, site.input_shape(0), pool_kernel(site));
}

std::vector<ValueType> infer_float_pool(const OpSite& site) {
  require_float(site);
  const Shape& x = site.input_shape(0);
  return {{site.inputs[0].type.dtype, window_output_shape(site, pool_window(site), x, x[1])}};
}

Cost pool_cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops =
      static_cast<double>(site.outputs[0].shape.elements()) * static_cast<double>(pool_window(site).taps());
  return total;
}

std::vector<ValueType> infer_global_pool(const OpSite& site) {
  require_float(site);
  ValueType y = site.inputs[0].type;
  for (int a = 2; a < y.shape.rank(); ++a) y.shape[a] = 1;
  return {y};
}

Cost global_pool_cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = static_cast<double>(site.input_shape(0).elements());
  return total;
}

void pool_reference(std::span<const Operand> inputs, std::span<const MutableTensorView> outputs,
                    const Window& window,
                    const std::function<double(const PoolPlace&, const std::vector<float>&)>& reduce) {
  const Tensor xs = to_f32(plain(inputs[0]));
  const auto x = xs.span<float>();
  const Shape from = spatial_shape(xs.shape()), to = spatial_shape(outputs[0].shape);
  const int64_t plane = from.elements(), places = to.elements();
  std::vector<float> elements;
  for (int64_t i = 0; i < outputs[0].shape.elements(); ++i) {
    const SpatialIndex at = spatial_index(to, i % places);
    elements.clear();
    visit_taps(window, from, at, [&](int64_t offset, int64_t) {
      elements.push_back(x[static_cast<size_t>(i / places * plane + offset)]);
    });
    const float y = static_cast<float>(reduce({window, from, at}, elements));
    store_floats({&y, 1}, outputs[0], i);
  }
}

Window whole_window(const Shape& input) {
  Window window;
  window.rank = input.rank() - 2;
  for (int a = 0; a < window.rank; ++a) window.axes[static_cast<size_t>(a)].kernel = input[a + 2];
  return window;
}

}  // namespace halftone
