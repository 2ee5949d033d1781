# Builds with PGXS: make, make install, make installcheck. PG_CONFIG=… chooses the server.
#
# One `make` gives two shared objects: pg_keypool.so for every backend, and pg_keypool_worker.so,
# the only one linked with libcurl and loaded by the background worker alone. core and pg are
# linked into both.

EXTENSION = pg_keypool
EXTENSION_VERSION = 0.1.0

sources = $(sort $(wildcard $(1)/*.cpp))
objects = $(patsubst %.cpp,%.o,$(call sources,$(1)))

FLOOR_OBJS = $(call objects,src/core) $(call objects,src/pg) $(call objects,src/store)
WORKER_OBJS = $(call objects,worker) $(FLOOR_OBJS)
WORKER_LIB = $(if $(wildcard worker/*.cpp),pg_keypool_worker.so)

MODULE_big = pg_keypool
OBJS = src/module.o $(FLOOR_OBJS) $(call objects,src/api)

# The install script is kept by topic and built into the versioned one; upgrade scripts are written
# by hand. PGXS owns VERSION, INSTALL_SCRIPT and every other INSTALL_ name: a rule whose target is
# $(INSTALL_SCRIPT) overwrites /usr/bin/install.
SQL_PARTS = $(sort $(wildcard sql/install/*.sql))
VERSIONED_SQL = sql/$(EXTENSION)--$(EXTENSION_VERSION).sql
DATA_built = $(VERSIONED_SQL)
DATA = $(wildcard sql/$(EXTENSION)--*--*.sql)

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/[0-9]*.sql)))

PKG_CONFIG ?= pkg-config
CRYPTO_LIBS = $(shell $(PKG_CONFIG) --libs libcrypto)
CURL_LIBS = $(shell $(PKG_CONFIG) --libs libcurl)
LINK_FLAGS = -Wl,--as-needed -Wl,-z,relro,-z,now

# Naming some members of an aggregate and leaving the rest to their defaults is meant, not forgotten.
WARNINGS = -Wall -Wextra -Wno-missing-field-initializers
PG_CXXFLAGS = -std=c++20 -O2 -fvisibility=hidden -fvisibility-inlines-hidden $(WARNINGS) -MMD -MP
SHLIB_LINK = $(LINK_FLAGS) $(CRYPTO_LIBS) -lstdc++

EXTRA_CLEAN = pg_keypool_worker.so $(call objects,worker) $(wildcard src/*.d src/*/*.d worker/*.d)

# Bitcode for the JIT could inline nothing of ours, and its rule knows no C++20.
override with_llvm = no
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Whatever PGXS did to our names, we write below sql/ only.
ifeq ($(filter sql/%,$(VERSIONED_SQL)),)
$(error VERSIONED_SQL was redefined: $(VERSIONED_SQL))
endif

# The server's headers are not ours to fix: as system headers they raise no warnings. core does not
# see them at all.
override CPPFLAGS := -Isrc -I. $(patsubst -I$(includedir_server),-isystem $(includedir_server),\
  $(patsubst -I$(includedir_internal),-isystem $(includedir_internal),$(CPPFLAGS)))
$(call objects,src/core): override CPPFLAGS := -Isrc $(filter -D%,$(CPPFLAGS))
worker/%.o: override CPPFLAGS += $(shell $(PKG_CONFIG) --cflags libcurl)

-include $(sort $(OBJS:.o=.d) $(WORKER_OBJS:.o=.d))

all: $(WORKER_LIB)

pg_keypool_worker.so: $(WORKER_OBJS)
	$(CXX) $(CXXFLAGS) -shared -o $@ $(WORKER_OBJS) $(LDFLAGS) $(LINK_FLAGS) $(CRYPTO_LIBS) \
	  $(CURL_LIBS)

$(VERSIONED_SQL): $(SQL_PARTS) Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	  cat /dev/null $(SQL_PARTS); } > $@.new && mv $@.new $@

install: install-worker
uninstall: uninstall-worker

.PHONY: install-worker uninstall-worker
install-worker: $(WORKER_LIB) installdirs
	$(if $(WORKER_LIB),$(INSTALL_SHLIB) $(WORKER_LIB) '$(DESTDIR)$(pkglibdir)/')
uninstall-worker:
	rm -f '$(DESTDIR)$(pkglibdir)/pg_keypool_worker.so'
