"""Records, facts, and all access to MongoDB. The other layers import it; it imports none of them."""
