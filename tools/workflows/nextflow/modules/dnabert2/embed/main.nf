process DNABERT2_EMBED {
    tag "${meta.id}${shard ? " ${shard}" : ''}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "dnabert2:0.1.0"

    input:
    tuple val(meta), path(sequences)
    path model, stageAs: 'model'
    val extension
    val shard

    output:
    tuple val(meta), path("${prefix}*.${extension}")      , emit: vectors
    tuple val(meta), path("${prefix}*.ids.tsv")           , emit: ids       , optional: true
    tuple val(meta), path("${prefix}*.provenance.json")   , emit: provenance, optional: true
    tuple val(meta), path("${prefix}*.shard.json")        , emit: shard     , optional: true
    path "versions.yml"                                   , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def piece = shard ? "--shard ${shard}" : ''
    def folder = model ? "--model ${model}" : ''
    """
    dnabert2 embed \\
        ${sequences} \\
        ${folder} \\
        ${piece} \\
        --threads ${task.cpus} \\
        ${args} \\
        -o ${prefix}.${extension}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        dnabert2: \$(dnabert2 --version)
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    def name = shard ? "${prefix}.${shard.replace('/', '-of-')}.${extension}" : "${prefix}.${extension}"
    """
    touch ${name}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        dnabert2: \$(dnabert2 --version)
    END_VERSIONS
    """
}
