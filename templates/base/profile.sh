# For every machine, see templates/base; managed by recettes: changes made here are undone by the next run.
# As limits.d says, for a shell that was not started by way of PAM.
ulimit -c 0
