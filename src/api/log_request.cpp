// log_request and log_requests: requests into the log, one or many.
#include <optional>
#include <string>
#include <utility>

#include "api/hidden_statement.hpp"
#include "api/key_write.hpp"
#include "api/request_arguments.hpp"
#include "api/request_object.hpp"
#include "api/request_write.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// log_request(…) → id; the arguments are RequestArgument's.
Datum log_request(const pg::Args& args) {
  std::optional<HiddenStatement> hidden;
  if (!args.is_null(kApiKey)) hidden.emplace("SELECT log_request(...)");
  require_writable("log_request()");
  return pg::to_datum(write_request(request_arguments(args)).id);
}

// Says which object of the array an error is about: in the detail of ours, in the context of the
// server's.
class Place {
 public:
  Place() : entry_{error_context_stack, tell, this} { error_context_stack = &entry_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { error_context_stack = entry_.previous; }

  void move_to(std::uint32_t number) noexcept { number_ = number; }
  core::Error locate(const core::Error& error) const {
    std::string detail = "This is object " + std::to_string(number_) + " of the array.";
    if (!error.detail().empty()) detail += " " + error.detail();
    return {error.code(), error.message(), std::move(detail), error.hint()};
  }

 private:
  static void tell(void* place) {
    errcontext("object %u of the array", static_cast<const Place*>(place)->number_);
  }

  ErrorContextCallback entry_;
  std::uint32_t number_ = 0;
};

// What one object needs goes before the next one comes.
class ObjectMemory {
 public:
  ObjectMemory()
      : outer_(CurrentMemoryContext), context_(pg::call([] {
          return AllocSetContextCreate(CurrentMemoryContext, "pg_keypool request",
                                       ALLOCSET_DEFAULT_SIZES);
        })) {
    MemoryContextSwitchTo(context_);
  }
  ObjectMemory(const ObjectMemory&) = delete;
  ObjectMemory& operator=(const ObjectMemory&) = delete;
  ~ObjectMemory() {
    MemoryContextSwitchTo(outer_);
    MemoryContextDelete(context_);
  }
  void reset() noexcept { MemoryContextReset(context_); }

 private:
  MemoryContext outer_;
  MemoryContext context_;
};

JsonbContainer* array_of(Datum document) {
  Jsonb* array = pg::call([document] { return DatumGetJsonbP(document); });
  if (JB_ROOT_IS_ARRAY(array) && !JB_ROOT_IS_SCALAR(array)) return &array->root;
  throw core::Error(core::ErrorCode::kInvalidArgument, "requests must be a JSON array", {},
                    "Pass [{\"provider\": \"openai\", \"model\": \"gpt-4\", …}, …], with the "
                    "argument names of log_request.");
}

// log_requests(requests jsonb) → how many were written
Datum log_requests(const pg::Args& args) {
  const HiddenStatement hidden("SELECT log_requests(...)");
  require_writable("log_requests()");
  JsonbContainer* array = array_of(args.datum(0));
  const auto count = static_cast<std::uint32_t>(JsonContainerSize(array));
  std::int32_t written = 0;
  ObjectMemory memory;
  Place place;
  for (std::uint32_t i = 0; i < count; ++i) {
    place.move_to(i + 1);
    memory.reset();
    pg::check_interrupts();
    try {
      const JsonbValue* element = pg::call([=] { return getIthJsonbValueFromContainer(array, i); });
      written += write_request(request_arguments(RequestObject(*element))).is_new ? 1 : 0;
    } catch (const core::Error& error) {
      throw place.locate(error);
    }
  }
  return pg::to_datum(written);
}

}  // namespace

KEYPOOL_FUNCTION(log_request, log_request);
KEYPOOL_FUNCTION(log_requests, log_requests);

}  // namespace keypool::api
