/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYMEDIC_PLUGIN_H_
#define KEYMEDIC_PLUGIN_H_
/*
 * The plugin boundary: three C entry points and a table of C functions. Only bytes cross it, so a
 * plugin may come from another compiler or another language. C++ authors include plugin.h instead.
 *
 * Life cycle. The host process loads the library, reads keymedic_plugin_abi() and refuses any other
 * value than its own; calls keymedic_plugin_create once; then calls the functions of the table, one
 * at a time, always on the same thread; and last keymedic_plugin_destroy. The library is never
 * unloaded.
 *
 * Ownership. A request's bytes belong to the caller and live until the function returns. An answer
 * is handed over with `write`, which copies and may be called several times; nothing allocated on
 * one side is freed on the other.
 *
 * Errors. A function returns 0, or a google.rpc.Code (3 invalid argument, 12 unimplemented, 13
 * internal, 14 unavailable ...) after it wrote a message for people instead of the answer. No
 * exception may leave a function.
 *
 * Messages: keymedic.v1 in proto/keymedic/v1/plugin.proto, serialised.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KEYMEDIC_PLUGIN_ABI 1u

/* What a plugin puts before each of its three symbols, so that they are seen from outside. */
#ifdef _WIN32
#define KEYMEDIC_PLUGIN_EXPORT __declspec(dllexport)
#else
#define KEYMEDIC_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

typedef void (*keymedic_write)(void* sink, const uint8_t* data, size_t size);

typedef int32_t (*keymedic_call)(void* plugin, const uint8_t* request, size_t request_size,
                                 keymedic_write write, void* sink);

typedef struct keymedic_plugin_table {
  uint32_t size;          /* sizeof(keymedic_plugin_table), as the plugin was built */
  keymedic_call describe; /* (empty)          -> PluginDescription */
  keymedic_call collect;  /* CollectRequest   -> CollectResponse */
  keymedic_call act;      /* ActRequest       -> ActResponse */
  keymedic_call diagnose; /* DiagnoseRequest  -> DiagnoseResponse; may be NULL */
} keymedic_plugin_table;

/* The three symbols that a plugin exports, as function types. */
typedef uint32_t keymedic_plugin_abi_fn(void);
/* `config` is a PluginConfig. On success stores the table (owned by the plugin, valid until
 * destroy) and the plugin's own pointer, and returns 0. */
typedef int32_t keymedic_plugin_create_fn(const uint8_t* config, size_t config_size,
                                          const keymedic_plugin_table** table, void** plugin,
                                          keymedic_write write_error, void* sink);
typedef void keymedic_plugin_destroy_fn(void* plugin);

#ifdef __cplusplus
}
#endif
#endif /* KEYMEDIC_PLUGIN_H_ */
