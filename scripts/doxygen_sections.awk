# A heading of a source, `/// words ///`, becomes one of Doxygen's, for all up to the next one.
/^\/\/\/ .* \/\/\/$/ {
    print (open ? "/** @} */ " : "") "/** @name " substr($0, 5, length($0) - 8) " */ /** @{ */"
    open = 1
    next
}
{ print }
END { if (open) print "/** @} */" }
