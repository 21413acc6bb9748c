/* The parts of the report that are files, report.css and report.js, as texts. */
#ifndef REEL_WATCH_REPORT_H
#define REEL_WATCH_REPORT_H

extern const unsigned char report_css[], report_js[];

#endif
