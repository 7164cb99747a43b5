/* SPDX-License-Identifier: Apache-2.0
 *
 * An example for plugin authors, in plain C and without any library: does this Debian wait to be
 * restarted? Its messages are small, so they are written out by hand: see
 * https://protobuf.dev/programming-guides/encoding. Build it with
 *
 *   cc -shared -fPIC -I PREFIX/include/keymedic restart.c -o keymedic_restart.so
 */
#include <unistd.h>

#include "plugins/sdk/keymedic_plugin.h"

enum { kUnimplemented = 12 }; /* google.rpc.Code */

/* PluginDescription { name (1), version (2), sections (3) } */
static const char kDescription[] =
    "\x0a\x07restart\x12\x03"
    "1.0\x1a\x07restart";

/* Section { name (1), type (2), payload (3): BoolValue }; false is an empty BoolValue, left out. */
static const char kSection[] = "\x0a\x07restart\x12\x19google.protobuf.BoolValue";
static const char kTrue[] = "\x1a\x02\x08\x01";

static void Write(keymedic_write write, void* sink, const char* data, size_t size) {
  write(sink, (const uint8_t*)data, size);
}

static int32_t Describe(void* plugin, const uint8_t* request, size_t size, keymedic_write write,
                        void* sink) {
  Write(write, sink, kDescription, sizeof kDescription - 1);
  return 0;
}

static int32_t Collect(void* plugin, const uint8_t* request, size_t size, keymedic_write write,
                       void* sink) {
  const size_t more = access("/run/reboot-required", F_OK) == 0 ? sizeof kTrue - 1 : 0;
  /* CollectResponse { sections (1) }: the section behind its length, written piece by piece. */
  const char head[] = {0x0a, (char)(sizeof kSection - 1 + more)};
  Write(write, sink, head, sizeof head);
  Write(write, sink, kSection, sizeof kSection - 1);
  Write(write, sink, kTrue, more);
  return 0;
}

/* An error is a code, and its text in place of the answer. */
static int32_t Act(void* plugin, const uint8_t* request, size_t size, keymedic_write write,
                   void* sink) {
  static const char kText[] = "restart has no actions";
  Write(write, sink, kText, sizeof kText - 1);
  return kUnimplemented;
}

static const keymedic_plugin_table kTable = {sizeof(keymedic_plugin_table), Describe, Collect, Act,
                                             NULL};

KEYMEDIC_PLUGIN_EXPORT uint32_t keymedic_plugin_abi(void) { return KEYMEDIC_PLUGIN_ABI; }

KEYMEDIC_PLUGIN_EXPORT int32_t keymedic_plugin_create(const uint8_t* config, size_t config_size,
                                                      const keymedic_plugin_table** table,
                                                      void** plugin, keymedic_write write_error,
                                                      void* sink) {
  *table = &kTable;
  *plugin = NULL; /* it needs no state; otherwise a pointer to it, which destroy frees */
  return 0;
}

KEYMEDIC_PLUGIN_EXPORT void keymedic_plugin_destroy(void* plugin) {}
