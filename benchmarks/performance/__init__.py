"""What twinwatch costs: processor, memory, disk and waiting, beside its peers and against its bars; `make bench`.

pictures   photos of realistic entropy, drawn          trees      folders of many small files
libraries  an index of any number of made-up photos     costs      what a command, or a running process, costs
peers      the other programs                           figures    one measured line and its bar
running    the daemon as a process                      results    what each part found, kept between runs
cold, rescan, search, arriving, alike, idling, growth    one kind of work each
plots, page, machine                                    docs/performance.md
"""
