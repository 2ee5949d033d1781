#include "core/price_document.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core/amount.hpp"
#include "core/ascii.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"
#include "core/key_fields.hpp"
#include "core/scrub.hpp"

namespace keypool::core {
namespace {

using Kind = JsonValue::Kind;

constexpr std::size_t kDepth = 16;
constexpr std::size_t kMostExamples = 3;
constexpr std::size_t kMostShown = 64;     // bytes of a name in a message
constexpr std::size_t kMostProvider = 63;  // as keypool.providers has it
constexpr std::size_t kMostSource = 255;

// From dollars for one token, and for a thousand, to nano-dollars for a million.
constexpr int kScaleOfOne = 15;
constexpr int kScaleOfThousand = 12;

// ---- names ----

// What the map calls otherwise than we do. Several of its names are parts of one provider.
constexpr std::pair<std::string_view, std::string_view> kProviders[] = {
    {"azure", "azure_openai"},
    {"azure_text", "azure_openai"},
    {"bedrock_converse", "bedrock"},
    {"cohere_chat", "cohere"},
    {"fireworks_ai", "fireworks"},
    {"fireworks_ai-embedding-models", "fireworks"},
    {"text-completion-openai", "openai"},
    {"together_ai", "together"},
};
constexpr std::string_view kVertexParts = "vertex_ai-";

std::string our_provider(std::string_view listed) {
  std::string name = lower(listed);
  if (name.starts_with(kVertexParts)) return "vertex_ai";
  for (const auto& [theirs, ours] : kProviders) {
    if (name == theirs) return std::string(ours);
  }
  return name;
}

bool is_provider_name(std::string_view name) noexcept {
  const auto is_part = [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; };
  return !name.empty() && name.size() <= kMostProvider && is_alnum(name.front()) &&
         std::all_of(name.begin(), name.end(), is_part);
}

std::string shown(std::string_view name) {
  std::string text = scrub(name.substr(0, kMaxModelSize));
  cut_utf8(text, kMostShown);
  return text;
}

[[noreturn]] void refuse(const std::string& path, std::string_view reason) {
  throw Error(ErrorCode::kInvalidArgument,
              "invalid price list: " + path + " " + std::string(reason));
}

// ---- figures ----

struct Unit {
  std::string_view member;
  int scale;
};
constexpr Unit kInput[] = {{"input_cost_per_token", kScaleOfOne},
                           {"input_cost_per_1k_tokens", kScaleOfThousand}};
constexpr Unit kOutput[] = {{"output_cost_per_token", kScaleOfOne},
                            {"output_cost_per_1k_tokens", kScaleOfThousand}};
constexpr Unit kCached[] = {{"cache_read_input_token_cost", kScaleOfOne},
                            {"input_cost_per_token_cache_hit", kScaleOfOne},
                            {"cached_input_cost_per_1k_tokens", kScaleOfThousand}};

// The first of these members that is given. False: it is no figure.
template <std::size_t kCount>
bool read_figure(const JsonValue& entry, const Unit (&units)[kCount],
                 std::optional<std::int64_t>& figure) {
  for (const Unit& unit : units) {
    const JsonValue* value = entry.find(unit.member);
    if (value == nullptr || value->is(Kind::kNull)) continue;
    if (!value->is(Kind::kNumber) && !value->is(Kind::kString)) return false;
    figure = scaled_amount(value->text, unit.scale);
    return figure.has_value();
  }
  return true;
}

bool charges_anything(const JsonValue& entry) {
  for (std::size_t i = 0; i < entry.names.size(); ++i) {
    const bool is_cost = entry.names[i].find("cost") != std::string::npos;
    if (!is_cost || !entry.items[i].is(Kind::kNumber)) continue;
    if (scaled_amount(entry.items[i].text, kScaleOfOne) != 0) return true;
  }
  return false;
}

// ---- the document ----

class Reader {
 public:
  PriceDocument take(const JsonValue& root);

 private:
  void take_map(const JsonValue& root);
  void take_providers(const JsonValue& providers);
  void take_models(const std::string& path, const JsonValue& models, std::string_view provider);
  void take_entry(const std::string& path, std::string_view provider, std::string_view model,
                  const JsonValue& entry);
  void shorten_names(std::size_t first);

  void count_entry() {
    if (++document_.entries > kMostPrices) {
      refuse("the document", "exceeds the limit of " + std::to_string(kMostPrices) + " entries");
    }
  }
  void skip(NoPrice reason, const std::string& path) {
    SkippedEntries& skipped = document_.skipped[static_cast<std::size_t>(reason)];
    if (++skipped.count <= kMostExamples) skipped.examples.push_back(path);
  }

  PriceDocument document_;
};

void Reader::take_entry(const std::string& path, std::string_view provider, std::string_view model,
                        const JsonValue& entry) {
  count_entry();
  if (!entry.is(Kind::kObject)) return skip(NoPrice::kNotAnEntry, path);
  ListedPrice listed = {our_provider(provider), std::string(model), {}, {}};
  if (!is_provider_name(listed.provider) || !is_model_name(model)) {
    return skip(NoPrice::kBadName, path);
  }
  std::optional<std::int64_t> input;
  std::optional<std::int64_t> output;
  if (!read_figure(entry, kInput, input) || !read_figure(entry, kOutput, output) ||
      !read_figure(entry, kCached, listed.price.cached_input)) {
    return skip(NoPrice::kBadFigure, path);
  }
  if (!input) return skip(NoPrice::kNoFigure, path);
  listed.price.input = *input;
  listed.price.output = output.value_or(0);
  const bool is_free = listed.price.input == 0 && listed.price.output == 0;
  if (is_free && charges_anything(entry)) return skip(NoPrice::kOtherUnits, path);
  const std::string_view source = entry.string_at("source");
  if (source.size() <= kMostSource) listed.source = scrub(source);
  document_.prices.push_back(std::move(listed));
}

void Reader::take_models(const std::string& path, const JsonValue& models,
                         std::string_view provider) {
  if (models.is(Kind::kNull)) return;
  if (!models.is(Kind::kArray)) refuse(path, "must be an array");
  for (std::size_t i = 0; i < models.items.size(); ++i) {
    const JsonValue& entry = models.items[i];
    const std::string here = path + "[" + std::to_string(i) + "]";
    take_entry(here, provider.empty() ? entry.string_at("provider") : provider,
               entry.string_at("name"), entry);
  }
}

void Reader::take_providers(const JsonValue& providers) {
  if (providers.is(Kind::kNull)) return;
  if (!providers.is(Kind::kObject)) refuse("providers", "must be an object");
  for (std::size_t i = 0; i < providers.items.size(); ++i) {
    const std::string& name = providers.names[i];
    const std::string path = "providers." + shown(name);
    if (!providers.items[i].is(Kind::kObject)) refuse(path, "must be an object");
    if (name.empty()) refuse("providers", "has a provider without a name");
    const JsonValue* models = providers.items[i].find("models");
    if (models != nullptr) take_models(path + ".models", *models, name);
  }
}

// "groq/llama-3.1-8b-instant" is what the map calls "llama-3.1-8b-instant" of groq. The name
// without the provider is what requests are logged with; the full one is kept where the map has
// both, so that each entry has a place of its own.
void Reader::shorten_names(std::size_t first) {
  std::unordered_set<std::string> taken;
  const auto place = [](std::string_view provider, std::string_view model) {
    return std::string(provider) + '\0' + std::string(model);
  };
  for (const ListedPrice& listed : document_.prices) {
    taken.insert(place(listed.provider, listed.model));
  }
  for (std::size_t i = first; i < document_.prices.size(); ++i) {
    ListedPrice& listed = document_.prices[i];
    const std::size_t slash = listed.model.find('/');
    if (slash == std::string::npos || slash + 1 == listed.model.size()) continue;
    if (our_provider(listed.model.substr(0, slash)) != listed.provider) continue;
    std::string name = listed.model.substr(slash + 1);
    if (taken.insert(place(listed.provider, name)).second) listed.model = std::move(name);
  }
}

void Reader::take_map(const JsonValue& root) {
  const std::size_t first = document_.prices.size();
  for (std::size_t i = 0; i < root.items.size(); ++i) {
    const JsonValue& entry = root.items[i];
    take_entry(shown(root.names[i]), entry.string_at("litellm_provider"), root.names[i], entry);
  }
  shorten_names(first);
}

PriceDocument Reader::take(const JsonValue& root) {
  if (root.is(Kind::kArray)) {
    take_models("", root, {});
    return std::move(document_);
  }
  if (!root.is(Kind::kObject)) refuse("the document", "must be an object or an array");
  const JsonValue* providers = root.find("providers");
  const JsonValue* models = root.find("models");
  if (providers == nullptr && models == nullptr) take_map(root);
  if (providers != nullptr) take_providers(*providers);
  if (models != nullptr) take_models("models", *models, {});
  return std::move(document_);
}

}  // namespace

bool is_model_name(std::string_view name) noexcept {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
  return !name.empty() && name.size() <= kMaxModelSize &&
         std::none_of(name.begin(), name.end(), is_control);
}

std::string_view describe(NoPrice reason) noexcept {
  switch (reason) {
    case NoPrice::kNotAnEntry:
      return "no object";
    case NoPrice::kBadName:
      return "no usable name of a model and its provider";
    case NoPrice::kBadFigure:
      return "a price that is none";
    case NoPrice::kNoFigure:
      return "no price per input token";
    case NoPrice::kOtherUnits:
      return "charged by something else than tokens";
  }
  return {};
}

PriceDocument parse_price_document(std::string_view json) {
  if (json.size() > kMostPriceBytes) {
    refuse("the document", "exceeds the limit of " + std::to_string(kMostPriceBytes) + " bytes");
  }
  const auto root = parse_json(json, kDepth);
  if (!root) {
    refuse("the document",
           "is not JSON, or is nested deeper than " + std::to_string(kDepth) + " levels");
  }
  return Reader().take(*root);
}

std::optional<Price> price_per_1k(std::string_view input, std::string_view output,
                                  const std::optional<std::string>& cached_input) {
  const auto in = scaled_amount(input, kScaleOfThousand);
  const auto out = scaled_amount(output, kScaleOfThousand);
  if (!in || !out) return std::nullopt;
  Price price = {*in, *out, {}};
  if (cached_input) {
    price.cached_input = scaled_amount(*cached_input, kScaleOfThousand);
    if (!price.cached_input) return std::nullopt;
  }
  return price;
}

}  // namespace keypool::core
