namespace Dnabert2.Tool.Pieces;

/// <summary>How much of a result a process writes.</summary>
/// <param name="Shard">The piece; null: all, and the files have no record.</param>
/// <param name="Resume">Whether what was kept of an interrupted run is gone on with, and kept again.</param>
/// <param name="BlockSize">The least size of a block, in the units of <see cref="RowResult.Blocks"/>.</param>
internal readonly record struct PieceOptions(Shard? Shard, bool Resume, long BlockSize);
