using Dnabert2.Tool;
using Dnabert2.Tool.Pieces;

namespace Tests.Tools.Pieces;

public class ShardTests
{
    [Theory]
    [InlineData("1/1", 1, 1)]
    [InlineData("3/8", 3, 8)]
    [InlineData("slurm", 1, 10, "SLURM_ARRAY_TASK_ID=0", "SLURM_ARRAY_TASK_MIN=0", "SLURM_ARRAY_TASK_MAX=9", "SLURM_ARRAY_TASK_COUNT=10")]
    [InlineData("slurm", 4, 4, "SLURM_ARRAY_TASK_ID=4", "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_MAX=4", "SLURM_ARRAY_TASK_COUNT=4")]
    [InlineData("slurm", 3, 5, "SLURM_ARRAY_TASK_ID=10", "SLURM_ARRAY_TASK_MIN=0", "SLURM_ARRAY_TASK_MAX=20", "SLURM_ARRAY_TASK_COUNT=5")]
    [InlineData("slurm", 1, 1, "SLURM_ARRAY_TASK_ID=7", "SLURM_ARRAY_TASK_MIN=7", "SLURM_ARRAY_TASK_MAX=7", "SLURM_ARRAY_TASK_COUNT=1")]
    [InlineData("kubernetes/8", 1, 8, "JOB_COMPLETION_INDEX=0")]
    [InlineData("kubernetes/8", 8, 8, "JOB_COMPLETION_INDEX=7")]
    public void Pieces_are_named_by_hand_or_by_the_environment(string text, int index, int count, params string[] environment) =>
        Assert.Equal(new Shard(index, count), Shard.Parse(text, Variables(environment)));

    [Theory]
    [InlineData("0/3", "counted from 1")]
    [InlineData("4/3", "counted from 1")]
    [InlineData("1/0", "expected I/N")]
    [InlineData("1/1000001", "expected I/N")]
    [InlineData("-1/3", "counted from 1")]
    [InlineData("1", "expected I/N")]
    [InlineData("a/b", "expected I/N")]
    [InlineData("1/2/3", "expected I/N")]
    [InlineData("kubernetes", "expected I/N")]
    [InlineData("kubernetes/8", "JOB_COMPLETION_INDEX is not set")]
    [InlineData("kubernetes/8", "JOB_COMPLETION_INDEX is 8; N is the job's 'completions'", "JOB_COMPLETION_INDEX=8")]
    [InlineData("kubernetes/8", "JOB_COMPLETION_INDEX is 'x'", "JOB_COMPLETION_INDEX=x")]
    [InlineData("slurm", "SLURM_ARRAY_TASK_ID is not set")]
    [InlineData("slurm", "do not lie in equal steps",
        "SLURM_ARRAY_TASK_ID=2", "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_MAX=7", "SLURM_ARRAY_TASK_COUNT=3")]
    [InlineData("slurm", "do not lie in equal steps",
        "SLURM_ARRAY_TASK_ID=9", "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_MAX=4", "SLURM_ARRAY_TASK_COUNT=4")]
    public void What_names_no_piece_is_refused(string text, string why, params string[] environment) =>
        Assert.Contains(
            why, Assert.Throws<UsageException>(() => Shard.Parse(text, Variables(environment))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("x.npy", "x.2-of-3.npy")]
    [InlineData("a/b.c/x.ids.tsv", "a/b.c/x.ids.2-of-3.tsv")]
    [InlineData("a.b/tokens", "a.b/tokens.2-of-3")]
    public void A_piece_is_called_after_its_result(string result, string piece)
    {
        var shard = new Shard(2, 3);
        Assert.Equal(piece, shard.NameOf(result));
        Assert.Equal(result, shard.ResultOf(piece));
        Assert.Null(new Shard(1, 3).ResultOf(piece));
    }

    [Theory]
    [InlineData(1, 1, 5)]
    [InlineData(3, 7, 0)]
    [InlineData(3, 7, 100)]
    [InlineData(7, 7, 3)]
    public void Each_block_is_in_one_piece(int index, int count, int blocks)
    {
        Assert.Equal(Enumerable.Range(0, blocks).Count(block => new Shard(index, count).Holds(block)),
            new Shard(index, count).BlocksOf(blocks));
        Assert.All(Enumerable.Range(0, blocks),
            block => Assert.Single(Enumerable.Range(1, count), i => new Shard(i, count).Holds(block)));
    }

    private static Func<string, string?> Variables(string[] variables) => name =>
        variables.FirstOrDefault(variable => variable.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];
}
