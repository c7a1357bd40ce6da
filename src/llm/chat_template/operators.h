#pragma once

#include <string_view>

#include "llm/chat_template/value.h"

namespace halftone::jinja {

// What Python's operators do, on the values that templates have. Each throws InputError where Python raises.

/// `+ - * / // % ** ~`
Value binary(std::string_view op, const Value& a, const Value& b, Meter& meter);
Value negate(const Value& a);
/// `== != < <= > >= in`, `not in`
bool compare(std::string_view op, const Value& a, const Value& b, Meter& meter);
/// value[key]: undefined when there is none.
Value index(const Value& value, const Value& key, Meter& meter);
/// value[start:stop:step] of a list, tuple or string; none where left out.
Value slice(const Value& value, const Value& start, const Value& stop, const Value& step, Meter& meter);
/// value.name: an entry or a method; undefined when there is neither.
Value attribute(const Value& value, const std::string& name, Meter& meter);
/// What a loop goes through: items, keys of a dict, characters of a string; nothing of an undefined value.
List iterate(const Value& value, Meter& meter);
/// The value as text that may be added to other text, paid for.
std::string text_of(const Value& value, Meter& meter);

}  // namespace halftone::jinja
