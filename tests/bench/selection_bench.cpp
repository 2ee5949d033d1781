// What choosing costs: the key taken, what it reserves, and its new place among the others. The
// clock moves a microsecond a pick, so that everything it makes due is paid for as well.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "../unit/pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr KeyLimits kGenerous = {.requests_per_hour = 2'000'000'000,
                                 .requests_per_minute = 2'000'000'000,
                                 .tokens_per_minute = 2'000'000'000,
                                 .concurrency = 2'000'000'000,
                                 .cost_per_day_nano = 1'000'000'000'000'000};

void publish(TestPool& all, Strategy strategy, std::int64_t keys, const KeyLimits& limits) {
  std::vector<KeyRow> rows;
  for (std::int64_t id = 1; id <= keys; ++id) {
    rows.push_back(key_row(id));
    rows.back().slot.config.limits = limits;
    rows.back().slot.config.weight = 1 + static_cast<double>(id % 3);
    rows.back().slot.usage.latency_ms = static_cast<float>(100 + id % 50);
  }
  all.mirror({provider_row("openai", strategy)}, rows);
}

void take(benchmark::State& state, Strategy strategy, const KeyLimits& limits, const Wish& wish) {
  TestPool all({static_cast<std::uint32_t>(state.range(0)), 64});
  publish(all, strategy, state.range(0), limits);
  Group& group = all.system_group();
  Provider& provider = all.provider();
  Moment moment = all.moment(kStart);
  for (auto _ : state) {
    ++moment.now;
    group.lock.lock();
    benchmark::DoNotOptimize(take_key(all.pool, group, provider, wish, moment));
    group.lock.unlock();
  }
}

void take_plain(benchmark::State& state, Strategy strategy) { take(state, strategy, {}, {}); }
void take_with_all_limits(benchmark::State& state, Strategy strategy) {
  take(state, strategy, kGenerous, {});
}
void take_with_amounts(benchmark::State& state, Strategy strategy) {
  take(state, strategy, kGenerous, {.tokens = 1, .cost_nano = 1, .lease = true});
}

#define EACH_STRATEGY(what)                                                                      \
  BENCHMARK_CAPTURE(what, round_robin, Strategy::kRoundRobin)->Arg(16)->Arg(1'000)->Arg(10'000); \
  BENCHMARK_CAPTURE(what, least_used, Strategy::kLeastUsed)->Arg(16)->Arg(1'000)->Arg(10'000);   \
  BENCHMARK_CAPTURE(what, cost_optimized, Strategy::kCostOptimized)                              \
      ->Arg(16)                                                                                  \
      ->Arg(1'000)                                                                               \
      ->Arg(10'000);                                                                             \
  BENCHMARK_CAPTURE(what, random, Strategy::kRandom)->Arg(16)->Arg(1'000)->Arg(10'000);          \
  BENCHMARK_CAPTURE(what, single, Strategy::kSingle)->Arg(16)->Arg(1'000)->Arg(10'000);          \
  BENCHMARK_CAPTURE(what, least_busy, Strategy::kLeastBusy)->Arg(16)->Arg(1'000)->Arg(10'000);   \
  BENCHMARK_CAPTURE(what, lowest_latency, Strategy::kLowestLatency)                              \
      ->Arg(16)                                                                                  \
      ->Arg(1'000)                                                                               \
      ->Arg(10'000);                                                                             \
  BENCHMARK_CAPTURE(what, usage_based, Strategy::kUsageBased)->Arg(16)->Arg(1'000)->Arg(10'000)

EACH_STRATEGY(take_plain);
EACH_STRATEGY(take_with_all_limits);
EACH_STRATEGY(take_with_amounts);

// What one group costs when the clock makes it due: the first pick after a reload, for one.
void rank_all_keys(benchmark::State& state) {
  TestPool all({static_cast<std::uint32_t>(state.range(0)), 64});
  publish(all, Strategy::kUsageBased, state.range(0), kGenerous);
  Group& group = all.system_group();
  for (auto _ : state) {
    group.wake_at = kUnranked;
    rank_if_due(all.pool, group, all.provider(), all.moment(kStart));
  }
}
BENCHMARK(rank_all_keys)->Arg(16)->Arg(1'000)->Arg(10'000);

// No key suits the wish until the last one: every rule is looked at.
void take_for_a_model(benchmark::State& state) {
  TestPool all({static_cast<std::uint32_t>(state.range(0)), 64});
  std::vector<KeyRow> rows;
  for (std::int64_t id = 1; id <= state.range(0); ++id) {
    rows.push_back(key_row(id));
    rows.back().slot.config.models = {model_rule("gpt-4*"), model_rule("o3-mini")};
  }
  rows.back().slot.config.models[2] = model_rule("claude-*");
  all.mirror({provider_row("openai")}, rows);
  Moment moment = all.moment(kStart);
  const Wish wish = {.model = "claude-sonnet-4-5"};
  for (auto _ : state) {
    ++moment.now;
    benchmark::DoNotOptimize(take_key(all.pool, all.system_group(), all.provider(), wish, moment));
  }
}
BENCHMARK(take_for_a_model)->Arg(16)->Arg(1'000);

void find_provider_and_group(benchmark::State& state) {
  TestPool all({10'000, 64});
  std::vector<std::string> owners;
  for (int i = 0; i < 9'000; ++i) owners.push_back("organization-" + std::to_string(10'000 + i));
  std::vector<KeyRow> rows;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    rows.push_back(
        key_row(static_cast<std::int64_t>(i), "openai", OwnerKind::kOrganization, owners[i]));
  }
  std::vector<ProviderRow> providers;
  for (const char* name : {"openai", "anthropic", "gemini", "groq", "mistral", "together"}) {
    providers.push_back(provider_row(name));
  }
  all.mirror(providers, rows);
  std::size_t i = 0;
  for (auto _ : state) {
    i = (i + 1) % 64;
    const std::uint32_t provider = all.pool.find_provider(kTestDatabase, "OpenAI");
    benchmark::DoNotOptimize(
        all.pool.find_group({kTestDatabase, provider, OwnerKind::kOrganization, owners[i * 100]}));
  }
}
BENCHMARK(find_provider_and_group);

void publish_mirror(benchmark::State& state) {
  const auto keys = static_cast<std::uint32_t>(state.range(0));
  TestPool all({2 * keys, 64});
  for (auto _ : state) publish(all, Strategy::kRoundRobin, keys, kGenerous);
}
BENCHMARK(publish_mirror)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

// Every user is new and the pool is full: the price of looking for the idle is in it.
void publish_users_into_a_full_pool(benchmark::State& state) {
  TestPool all({16'384, 64});
  all.mirror({provider_row("openai")}, {key_row(1)});
  std::int64_t id = 1;
  for (auto _ : state) {
    ++id;
    const std::string user = "user-" + std::to_string(id);
    all.user(user, {user_key(id, user)}, kStart + id);
  }
}
BENCHMARK(publish_users_into_a_full_pool)->Iterations(200'000);

}  // namespace
}  // namespace keypool::core
