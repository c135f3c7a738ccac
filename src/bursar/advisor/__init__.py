"""What could be cheaper, by how much, and how sure that is: what-ifs over real calls, and advice made of them."""
