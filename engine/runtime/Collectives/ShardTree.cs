using System.Numerics;

namespace Engine.Runtime.Collectives;

/// <summary>A part of a sum: the shards from one up to another one, which is not in it.</summary>
internal readonly record struct ShardRange(int Start, int End)
{
    public int Count => End - Start;
}

/// <summary>
/// The order in which shards are added, whoever computes them: a binary tree whose left half is the largest power of two of shards that is
/// smaller than the whole. A rank has neighbouring shards, and adds up what lies in whole branches.
/// </summary>
internal static class ShardTree
{
    /// <summary>Where a branch of at least two shards divides.</summary>
    public static int Middle(ShardRange branch) => branch.Start + (1 << BitOperations.Log2((uint)branch.Count - 1));

    /// <summary>The shards of a rank: alike in number, the first ranks having one more where that does not come out even.</summary>
    public static ShardRange Of(int shards, int rank, int ranks)
    {
        int least = shards / ranks, more = shards % ranks, start = (rank * least) + Math.Min(rank, more);
        return new ShardRange(start, start + least + (rank < more ? 1 : 0));
    }

    /// <summary>The largest branches of a tree that lie within a range, from left to right.</summary>
    public static List<ShardRange> Branches(int shards, ShardRange range)
    {
        var found = new List<ShardRange>();
        Collect(new ShardRange(0, shards), range, found);
        return found;
    }

    /// <summary>Whether two neighbouring branches make one.</summary>
    public static bool AreHalves(int shards, ShardRange left, ShardRange right)
    {
        var branch = new ShardRange(0, shards);
        while (branch.Start != left.Start || branch.End != right.End)
        {
            int middle = branch.Count > 1 ? Middle(branch) : branch.End;
            if (right.End <= middle && branch.Count > 1) branch = branch with { End = middle };
            else if (left.Start >= middle && branch.Count > 1) branch = branch with { Start = middle };
            else return false;
        }

        return left.End == right.Start && branch.Count > 1 && Middle(branch) == left.End;
    }

    private static void Collect(ShardRange branch, ShardRange range, List<ShardRange> found)
    {
        if (branch.End <= range.Start || branch.Start >= range.End) return;
        if (branch.Start >= range.Start && branch.End <= range.End)
        {
            found.Add(branch);
            return;
        }

        int middle = Middle(branch);
        Collect(branch with { End = middle }, range, found);
        Collect(branch with { Start = middle }, range, found);
    }
}
