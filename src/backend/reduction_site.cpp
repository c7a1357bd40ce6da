#include "backend/reduction_site.h"

#include <algorithm>

#include "ops/reduction/reduction.h"

namespace halftone {

namespace {

/// GlobalMaxPool takes the places away, and says so by its name.
std::optional<std::vector<bool>> axes_of(const OpSite& site) {
  if (site.schema->name != "GlobalMaxPool") return reduced_axes(site);
  std::vector<bool> goes(static_cast<size_t>(site.input_shape(0).rank()), true);
  goes[0] = goes[1] = false;
  return goes;
}

}  // namespace

std::vector<bool> lying_reduced_axes(const OpSite& site) {
  std::vector<bool> goes = *axes_of(site);
  if (site.inputs[0].storage.order == Storage::Order::channels_last)
    std::rotate(goes.begin() + 1, goes.begin() + 2, goes.end());
  return goes;
}

Refusal reduction_order_refusal(const OpSite& site) {
  const Storage in = site.inputs[0].storage, out = site.storage_of_output(0);
  const auto goes = axes_of(site);
  if (!goes) return "axes are computed";
  if (in.codes || out.codes) return "values are codes";
  const bool same_bytes =
      in.order == Storage::Order::channels_last &&
      ((*goes)[1] || std::all_of(goes->begin() + 2, goes->end(), [](bool place_goes) { return place_goes; }));
  return in == out || (out.plain() && same_bytes) ? Refusal{} : "the output lies in another order";
}

}  // namespace halftone
