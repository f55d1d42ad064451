/* tensorboard.h -- event files for TensorBoard and what reads them (aim, trackio, wandb sync), written by hand.
 *
 * A file is records, little-endian (tensorflow/core/lib/io/record_writer.h):
 *   u64 length | u32 masked CRC-32C of those 8 bytes | data[length] | u32 masked CRC-32C of data
 *   masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8      CRC-32C: Castagnoli, reflected polynomial 0x82F63B78
 * The data is a protobuf message (tensorflow/core/util/event.proto, framework/summary.proto, tensor.proto):
 *   Event   1 wall_time double   2 step int64   3 file_version string   5 summary Summary
 *   Summary 1 repeated Value     Value 1 tag   2 simple_value float   4 image Image   8 tensor   9 metadata
 *   Image   1 height  2 width  3 colorspace (3 = RGB)  4 encoded_image_string (PNG)
 *   text: tensor = TensorProto { 1 dtype 7 (string), 2 shape {} (rank 0), 8 string_val }, metadata = { 1 { 1 "text" } }
 * The first record is file_version "brain.Event:2".  TensorBoard tolerates a half record at the end of a file and reads
 * it again later; nothing may follow one.  An eval's records close with the scalar `glimpse/blocked_seconds`, so that a
 * writer sees at the end of the file that it is whole (events_end_whole).
 *
 *   loss/train, loss/val         sample_metrics/<name>, the mean over a setting's samples; with several settings
 *   sample_metrics/<name>/<setting>, a series each         samples/<sample>: text, fenced so that no markup acts
 *   sheets/<sample>: the picture of a sample         probes/<metric>/<line>         probes: the map over the steps (probe_map.h)
 * Wall times and the file's name come from the record, so that a redrawn file has the same bytes. */
#ifndef GLIMPSE_VIZ_TENSORBOARD_H
#define GLIMPSE_VIZ_TENSORBOARD_H

#include "viz/view.h"

/* The parts; each appends one record. */
uint32_t crc32c(const void *bytes, size_t n);
uint32_t crc32c_by_table(const void *bytes, size_t n); /* the same on any processor */
uint32_t crc32c_masked(const void *bytes, size_t n);
void events_version(double wall_time, buffer *out);
void events_scalar(double wall_time, int64_t step, const char *tag, float value, buffer *out);
void events_text(double wall_time, int64_t step, const char *tag, const char *markdown, size_t n, buffer *out);
void events_image(double wall_time, int64_t step, const char *tag, const char *png, size_t n, buffer *out); /* nothing if no PNG */

/* Seconds since 1970 of "2026-11-21T03:04:05Z"; 0 for what is not one. */
double events_time(const char *iso);

/* "events.out.tfevents.<seconds, 10 digits>.glimpse.<run>": the name of a file begun by this record.  Appends. */
void events_name(const glimpse_record *r, buffer *out);
/* Is this the name of a file that events_name made? */
bool events_is_name(const char *name);

/* The eval's records but for the pictures and the closing one, and that one.  Append. */
glimpse_status events_of(const glimpse_record *r, buffer *out);
void events_close(const glimpse_record *r, buffer *out);

/* The tail of a file: true if it ends with a whole closing record (or a version record alone).  256 bytes are enough. */
bool events_end_whole(const void *tail, size_t n);
/* The size of the record that these bytes open, with its frame; 0 if its head is damaged. */
enum { EVENTS_HEAD = 12 };
uint64_t events_record_size(const void *head);

#endif
