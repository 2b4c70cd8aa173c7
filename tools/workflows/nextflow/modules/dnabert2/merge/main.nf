process DNABERT2_MERGE {
    tag "${meta.id}"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "dnabert2:0.1.0"

    input:
    // All files of all pieces: vectors, tables beside them, and records.
    tuple val(meta), path(pieces)
    val extension

    output:
    tuple val(meta), path("${prefix}.${extension}")    , emit: vectors
    tuple val(meta), path("${prefix}.ids.tsv")         , emit: ids       , optional: true
    tuple val(meta), path("${prefix}*.provenance.json"), emit: provenance, optional: true
    path "versions.yml"                                , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    dnabert2 merge \\
        *.shard.json \\
        ${args} \\
        -o ${prefix}.${extension}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        dnabert2: \$(dnabert2 --version)
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.${extension}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        dnabert2: \$(dnabert2 --version)
    END_VERSIONS
    """
}
